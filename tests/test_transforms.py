"""Random transforms: what they do to pixels is what their docstrings say, and a function of the numbers they draw."""

import math

import numpy as np
import pytest
from PIL import Image

from minigan.backend import get_backend
from minigan.data.transforms import RandomHorizontalFlip, RandomResizedCrop, RandomRotation
from minigan.errors import SettingsError

TRANSFORMS = [RandomHorizontalFlip(), RandomResizedCrop(), RandomRotation()]


def source(seed=0, step=0):
    """Random numbers as ImageSet gives them: a function of (seed, step, name)."""
    return lambda name, shape: get_backend("numpy").random.uniform(shape, seed, name, step)


def always(value):
    """Every number that is drawn is this one."""
    return lambda name, shape: np.full(shape, float(value))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(n, h, w, c):
    """Images without sharp edges, each with another slope: interpolation hardly changes them."""
    y, x = np.mgrid[:h, :w]
    waves = [np.sin((x * (i + 3) + y * (k + 2)) / (h + w)) for i in range(n) for k in range(c)]
    return np.rint(127 + 100 * np.array(waves)).astype(np.uint8).reshape(n, c, h, w).transpose(0, 2, 3, 1)


# All of them ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 13, 10, 3), (7, 10, 13, 1), (1, 5, 5, 3)], ids=str)
@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_images_keep_shape_and_type_and_those_given_are_not_touched(transform, shape):
    images = noise(*shape)
    before = images.copy()
    made = transform(images, source())
    assert made.shape == shape and made.dtype == np.uint8
    made[...] = 0
    assert np.array_equal(images, before)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_they_are_functions_of_the_numbers_drawn(transform):
    images = noise(9, 12, 8, 3)
    first = transform(images, source(1, 2))
    assert np.array_equal(transform(images, source(1, 2)), first)
    assert np.array_equal(transform(images[:4], source(1, 2)), first[:4])
    for other in (source(1, 3), source(2, 2)):
        assert not np.array_equal(transform(images, other), first)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_each_image_is_changed_in_its_own_way(transform):
    same = np.broadcast_to(noise(1, 12, 8, 3), (20, 12, 8, 3))
    made = transform(same, source())
    assert len({image.tobytes() for image in made}) == (2 if isinstance(transform, RandomHorizontalFlip) else 20)


REPRS = {
    "RandomHorizontalFlip(probability=0.5)": RandomHorizontalFlip(),
    "RandomResizedCrop(scale=(0.5, 0.75), ratio=(0.9, 1.1))": RandomResizedCrop(scale=(0.5, 0.75)),
    "RandomRotation(degrees=20)": RandomRotation(),
}


@pytest.mark.parametrize("text", REPRS)
def test_the_repr_tells_all_settings(text):
    assert repr(REPRS[text]) == text


BAD = {
    "RandomHorizontalFlip: probability is -0.1; it must be from 0 to 1": lambda: RandomHorizontalFlip(-0.1),
    "RandomHorizontalFlip: probability is 50; it": lambda: RandomHorizontalFlip(50),
    "RandomHorizontalFlip: probability is nan; it": lambda: RandomHorizontalFlip(math.nan),
    "RandomResizedCrop: scale is 0.9; wanted two numbers": lambda: RandomResizedCrop(0.9),
    "RandomResizedCrop: scale is (1.0, 1.5); wanted areas": lambda: RandomResizedCrop((1.0, 1.5)),
    "RandomResizedCrop: scale is (0.9, 0.8); wanted areas": lambda: RandomResizedCrop((0.9, 0.8)),
    "RandomResizedCrop: scale is (0, 1); wanted areas": lambda: RandomResizedCrop((0, 1)),
    "RandomResizedCrop: ratio is (0.9, 1.0, 1.1); wanted two": lambda: RandomResizedCrop(ratio=(0.9, 1.0, 1.1)),
    "RandomResizedCrop: ratio is (1.1, 0.9); wanted 0 < low": lambda: RandomResizedCrop(ratio=(1.1, 0.9)),
    "RandomResizedCrop: ratio is (0, 1); wanted 0 < low": lambda: RandomResizedCrop(ratio=(0, 1)),
    "no rectangle with 0.9 of the area and a ratio in (2, 3)": lambda: RandomResizedCrop((0.5, 0.9), (2, 3)),
    "no rectangle with 0.9 of the area and a ratio in (0.2, 0.5)": lambda: RandomResizedCrop((0.5, 0.9), (0.2, 0.5)),
    "RandomRotation: degrees is -5; it must be from 0 to 180": lambda: RandomRotation(-5),
    "RandomRotation: degrees is 181; it": lambda: RandomRotation(181),
}


@pytest.mark.parametrize("words", BAD)
def test_settings_without_sense_are_refused(words):
    with pytest.raises(SettingsError) as caught:
        BAD[words]()
    assert words in str(caught.value)


# Flip ----------------------------------------------------------------------------------------------------------------


def test_probability_0_flips_none_and_1_all():
    images = noise(50, 3, 4, 3)
    assert np.array_equal(RandomHorizontalFlip(0)(images, source()), images)
    assert np.array_equal(RandomHorizontalFlip(1)(images, source()), images[:, :, ::-1])
    assert np.array_equal(RandomHorizontalFlip(0)(images, always(0)), images)  # the least number there is


def test_as_many_are_flipped_as_the_probability_says():
    n, probability = 2000, 0.3
    images = np.broadcast_to(np.array([1, 2], np.uint8).reshape(1, 1, 2, 1), (n, 1, 2, 1))
    flipped = RandomHorizontalFlip(probability)(images, source())[:, 0, 0, 0] == 2
    assert abs(flipped.sum() - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


# Crop ----------------------------------------------------------------------------------------------------------------

HEIGHT, WIDTH, LEVELS = 60, 80, 3  # LEVELS: of colour from one pixel to the next


def visible(transform, n, draw):
    """What is seen of n images: left, width, top, height of each crop, in fractions of the image, read off the pixels.

    The images' red grows with the column and their green with the row.
    """
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0], image[..., 1] = LEVELS * np.arange(WIDTH), LEVELS * np.arange(HEIGHT)[:, None]
    made = transform(np.broadcast_to(image, (n, *image.shape)), draw) / LEVELS
    seen = []
    for line, size in ((made[..., 0].mean(axis=1), WIDTH), (made[..., 1].mean(axis=2), HEIGHT)):
        # Pixel i has the colour of its middle: start + (i + 1/2) length / size - 1/2. The border is left out.
        middles = np.arange(size) + 0.5
        slope, start = np.polyfit(middles[8:-8], line[:, 8:-8].T, 1)
        seen += [(start + 0.5) / size, slope]
    return np.array(seen)


CROPS = {
    "defaults": RandomResizedCrop(),
    "wide bounds": RandomResizedCrop((0.3, 1.0), (0.5, 1.5)),
    "always wide": RandomResizedCrop((0.3, 0.6), (1.2, 1.6)),
}


@pytest.mark.parametrize("name", CROPS)
def test_a_crop_lies_inside_and_has_the_area_and_ratio_that_were_asked_for(name):
    transform, n = CROPS[name], 150
    draw = source(3)
    left, width, top, height = visible(transform, n, draw)
    tolerance = 0.01
    assert min(left.min(), top.min()) > -tolerance and max((left + width).max(), (top + height).max()) < 1 + tolerance
    low, high = transform.scale
    area = low + (high - low) * draw("crop.area", (n,))
    assert np.allclose(width * height, area, rtol=0, atol=tolerance)
    low, high = np.maximum(transform.ratio[0], area), np.minimum(transform.ratio[1], 1 / area)
    assert np.allclose(width / height, low * (high / low) ** draw("crop.ratio", (n,)), rtol=2 * tolerance)
    for start, length, u in ((left, width, draw("crop.left", (n,))), (top, height, draw("crop.top", (n,)))):
        assert np.allclose(start, u * (1 - length), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("u", "ratio"), [(0, 0.5), (0.5, (0.5 * 1.5) ** 0.5), (1, 1.5)], ids=["least", "middle of the logarithms", "most"]
)
def test_the_logarithm_of_the_ratio_is_uniform(u, ratio):
    _, width, _, height = visible(RandomResizedCrop((0.25, 0.25), (0.5, 1.5)), 1, always(u))
    assert np.allclose(width / height, ratio, rtol=0.01)


@pytest.mark.parametrize(("u", "ratio"), [(0, 0.64), (1, 1 / 0.64)])
def test_ratios_that_do_not_fit_are_not_drawn(u, ratio):
    left, width, top, height = visible(RandomResizedCrop((0.64, 0.64), (0.1, 10)), 1, always(u))
    assert np.allclose(width / height, ratio, rtol=0.01)
    assert np.allclose(max(width[0], height[0]), 1, atol=0.01)


@pytest.mark.parametrize("c", [1, 3])
def test_the_whole_image_is_left_as_it_is(c):
    images = noise(5, 11, 7, c)
    assert np.array_equal(RandomResizedCrop((1, 1), (0.5, 2))(images, source()), images)


# Rotation ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 11, 7, 1), (5, 6, 13, 3)], ids=str)
def test_0_degrees_leave_images_as_they_are(shape):
    images = noise(*shape)
    assert np.array_equal(RandomRotation(0)(images, source()), images)
    assert np.array_equal(RandomRotation(90)(images, always(0.5)), images)


def test_a_quarter_and_half_a_turn_move_pixels_to_where_they_belong():
    """Both turn the other way for the least and the greatest number. One level of 255 may be lost in rounding."""
    images = noise(3, 9, 9, 3).astype(int)
    for transform, u, turns in ((RandomRotation(90), 0, 1), (RandomRotation(90), 1, -1), (RandomRotation(180), 1, 2)):
        turned = transform(images.astype(np.uint8), always(u)).astype(int)
        assert abs(turned - np.rot90(images, turns, axes=(1, 2))).max() <= 1


@pytest.mark.parametrize("u", [0, 0.3, 1])
@pytest.mark.parametrize("c", [1, 3])
def test_angles_are_uniform_between_the_bounds_and_the_centre_stays(u, c):
    h, w, degrees = 40, 56, 30
    images = smooth(2, h, w, c)
    turned = RandomRotation(degrees)(images, always(u))
    y, x = np.mgrid[:h, :w]
    inside = np.hypot(y - (h - 1) / 2, x - (w - 1) / 2) < h / 2 - 3
    for image, result in zip(images, turned, strict=True):
        # Pillow counts angles against the clock.
        angle = degrees - 2 * degrees * u
        expected = np.asarray(Image.fromarray(image.squeeze()).rotate(angle, Image.Resampling.BICUBIC))
        difference = result.squeeze().astype(int) - expected
        assert abs(difference[inside]).max() <= 1


@pytest.mark.parametrize("degrees", [20, 45, 180])
@pytest.mark.parametrize(("h", "w"), [(18, 18), (5, 31), (31, 5)])
def test_no_corner_is_black(degrees, h, w):
    images = np.full((41, h, w, 3), 200, np.uint8)
    assert (RandomRotation(degrees)(images, lambda name, shape: np.linspace(0, 1, *shape)) == 200).all()


def test_what_comes_in_at_a_corner_is_the_colour_of_the_edge():
    images = np.full((1, 16, 16, 1), 250, np.uint8)
    images[:, 1:-1, 1:-1] = 100
    turned = RandomRotation(45)(images, always(0))
    assert (turned[0, [0, 0, -1, -1], [0, -1, 0, -1]] == 250).all() and turned[0, 8, 8] == 100


@pytest.mark.parametrize(
    "transform", [RandomHorizontalFlip(), RandomResizedCrop((0.3, 0.6)), RandomRotation(40)], ids=repr
)
@pytest.mark.parametrize("c", [2, 4])
def test_two_or_four_channels_are_changed_each_by_itself(transform, c):
    """Pillow would take the last one for transparency, and weigh the others by it."""
    images = np.random.default_rng(8).integers(0, 256, (3, 7, 5, c), dtype=np.uint8)
    images[..., -1] //= 200  # next to nothing: as transparency, it would black out the others

    def draw(name, shape):
        return np.random.default_rng(len(name)).uniform(size=shape)

    together = transform(images, draw)
    alone = [transform(images[..., i : i + 1], draw) for i in range(c)]
    assert np.array_equal(together, np.concatenate(alone, axis=-1))

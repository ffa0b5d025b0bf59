"""Cartoon faces, drawn: a colour data set that needs no download, with known causes of everything that varies."""

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..backend import get_backend
from ..errors import SettingsError
from .image_set import ImageSet

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = Sequence[tuple[float, float]]

SKINS = (
    (255, 226, 202),
    (248, 208, 174),
    (232, 184, 142),
    (208, 154, 112),
    (170, 114, 78),
    (128, 82, 56),
    (96, 62, 46),
)
HAIR_COLOURS = {
    "black": (44, 40, 48),
    "dark brown": (88, 56, 40),
    "brown": (142, 92, 54),
    "blond": (240, 206, 112),
    "red": (204, 88, 42),
    "grey": (182, 182, 190),
    "blue": (72, 124, 218),
    "pink": (244, 132, 184),
    "green": (84, 176, 124),
    "violet": (146, 96, 200),
}
EYE_COLOURS = ((72, 44, 30), (122, 76, 40), (66, 134, 74), (58, 122, 198), (112, 128, 142), (150, 92, 176))
HAIR_STYLES = ("bald", "short", "curly", "bob", "long", "bun", "pigtails")
HAIRLINES = ("round", "fringe", "left parting", "right parting", "spikes")
NOSES = ("arc", "wedge", "button")
MOUTHS = ("closed", "open", "grin", "round")
GLASSES = ("none",) * 6 + ("round", "square")

# What varies, each without regard to the others: one of several kinds, equally likely, or a number that is uniform
# between two bounds. Lengths are in units of half the height of an average head.
FACTORS: Mapping[str, int | tuple[float, float]] = {
    "background_hue": (0.0, 1.0),
    "background_value": (0.78, 0.98),
    "shirt_hue": (0.0, 1.0),
    "skin": len(SKINS),
    "hair_colour": len(HAIR_COLOURS),
    "hair_style": len(HAIR_STYLES),
    "hairline": len(HAIRLINES),
    "head_width": (0.78, 0.98),
    "head_height": (0.92, 1.06),
    "jaw": (0.0, 0.22),
    "eye_colour": len(EYE_COLOURS),
    "eye_size": (0.19, 0.26),
    "eye_openness": (0.85, 1.25),
    "eye_spacing": (0.36, 0.44),
    "gaze": (-0.25, 0.25),
    "brow_height": (0.06, 0.16),
    "brow_slant": (-0.07, 0.07),
    "nose": len(NOSES),
    "nose_size": (0.07, 0.12),
    "mouth": len(MOUTHS),
    "mouth_width": (0.2, 0.36),
    "mouth_curvature": (-0.06, 0.16),
    "glasses": len(GLASSES),
    "shift_x": (-0.12, 0.12),
    "shift_y": (-0.08, 0.08),
    "scale": (0.92, 1.06),
}

SMALLEST = 16  # pixels: nobody can see a face in fewer
FINER = 4  # faces are drawn at this many times their size and shrunk: smooth edges
ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)
ACROSS = np.linspace(-1, 1, 13)
CONTOUR = 0.045  # its width
INK, WHITE, RED, INSIDE, TONGUE = (48, 36, 44), (255, 255, 255), (206, 40, 62), (104, 22, 36), (238, 116, 122)


def draw_faces(n: int, size: int | tuple[int, int] = 64, seed: int = 0) -> ImageSet:
    """n cartoon faces of `size` pixels, a side or (h, w), each another.    (n, h, w, 3) uint8

    Face i is a function of (seed, i): the first faces are the same however many follow. `face_factors` says what each
    one shows. Another version of Pillow may round a few pixels otherwise. Raises SettingsError for n < 1 or a size
    below 16.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or min(sides) < SMALLEST:
        raise SettingsError(f"draw_faces: size is {size}; wanted a side or (h, w), at least {SMALLEST} pixels each")
    height, width = sides
    factors = face_factors(n, seed)
    images = np.empty((n, height, width, 3), np.uint8)
    for image, row in zip(images, factors.tolist(), strict=True):
        image[...] = _drawn_face(dict(zip(FACTORS, row, strict=True)), height, width)
    return ImageSet(images, "drawn faces")


def face_factors(n: int, seed: int = 0) -> np.ndarray:
    """What the n faces of `draw_faces(n, seed=seed)` show: a structured array, one row a face, a field for each factor.

    A field that is a whole number says which kind, such as HAIR_STYLES[row["hair_style"]]. All fields are independent.
    """
    if n < 1:
        raise SettingsError(f"draw_faces: n is {n}; it must be at least 1")
    uniform = get_backend("numpy").random.uniform((n, len(FACTORS)), seed, "drawn faces")
    kinds = [(name, np.int64 if isinstance(rule, int) else np.float64) for name, rule in FACTORS.items()]
    factors = np.empty(n, kinds)
    for u, (name, rule) in zip(uniform.T, FACTORS.items(), strict=True):
        factors[name] = u * rule if isinstance(rule, int) else rule[0] + u * (rule[1] - rule[0])
    return factors


class Pen:
    """Draws shapes given in lengths of the head, x to the right and y down from its middle."""

    def __init__(self, canvas: Any, x: float, y: float, unit: float) -> None:
        self.canvas, self.x, self.y, self.unit = canvas, x, y, unit

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour, contour: bool = False) -> None:
        """A filled ellipse about (x, y), with a darker contour where asked for."""
        middle_x, middle_y, rx, ry = self.x + x * self.unit, self.y + y * self.unit, rx * self.unit, ry * self.unit
        box = (middle_x - rx, middle_y - ry, middle_x + rx, middle_y + ry)
        self.canvas.ellipse(box, fill, *((_darker(fill), self._pixels(CONTOUR)) if contour else ()))

    def polygon(self, points: Points, fill: Colour, contour: bool = False) -> None:
        """A filled polygon, with a darker contour where asked for."""
        self.canvas.polygon(self._placed(points), fill)
        if contour:
            self.line([*points, points[0], points[1]], _darker(fill), CONTOUR)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """A line through the points with round ends."""
        corners = "curve" if len(points) < 6 else None  # more points than that are a smooth curve: no gaps to fill
        self.canvas.line(self._placed(points), colour, self._pixels(width), joint=corners)
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, width / 2, width / 2, colour)

    def _placed(self, points: Points) -> list[float]:
        flat = []
        for x, y in points:
            flat += [self.x + x * self.unit, self.y + y * self.unit]
        return flat

    def _pixels(self, width: float) -> int:
        return max(1, round(width * self.unit))


def _drawn_face(face: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """One face from the back to the front.    (h, w, 3) uint8"""
    from PIL import Image, ImageDraw

    background = _from_hue(face["background_hue"], 0.3, face["background_value"])
    canvas = Image.new("RGB", (width * FINER, height * FINER), background)
    unit = 0.335 * FINER * min(height, width)
    x, y = width * FINER / 2 + face["shift_x"] * unit, height * FINER / 2 + (face["shift_y"] - 0.06) * unit
    pen = Pen(ImageDraw.Draw(canvas), x, y, unit * face["scale"])
    for draw_part in (_shoulders, _hair_behind, _head, _hair_in_front, _eyes, _brows, _nose, _mouth, _glasses):
        draw_part(pen, face)
    return np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2))


def _shoulders(pen: Pen, face: Mapping[str, Any]) -> None:
    shirt = _from_hue(face["shirt_hue"], 0.6, 0.8)
    arch = [(1.15 * x, 1.78 - 0.58 * (1 - x**4) ** 0.5) for x in ACROSS.tolist()]
    pen.polygon([(-1.15, 99), *arch, (1.15, 99)], shirt, contour=True)


def _hair_behind(pen: Pen, face: Mapping[str, Any]) -> None:
    hair, a, b = _hair_colour(face), face["head_width"], face["head_height"]
    style = HAIR_STYLES[face["hair_style"]]
    if style == "curly":
        for angle in np.linspace(0.85 * np.pi, 2.15 * np.pi, 11).tolist():
            pen.ellipse(1.06 * a * np.cos(angle), 1.02 * b * np.sin(angle), 0.3, 0.3, hair, contour=True)
    elif style in ("bob", "long"):
        bottom, side = (0.86, 1.2 * a) if style == "bob" else (1.46, 1.26 * a)
        top = [(1.1 * a * np.cos(t), 1.1 * b * np.sin(t)) for t in np.linspace(-np.pi, 0, 15).tolist()]
        tip = [(side, bottom - 0.24), (side - 0.05, bottom - 0.08), (side - 0.2, bottom), (side - 0.42, bottom - 0.04)]
        pen.polygon([*top, *tip, *((-x, y) for x, y in reversed(tip))], hair, contour=True)
    elif style == "bun":
        pen.ellipse(0, -1.14 * b, 0.33, 0.27, hair, contour=True)
    elif style == "pigtails":
        for side in (-1, 1):
            pen.ellipse(side * 1.24 * a, 0.42, 0.25, 0.52, hair, contour=True)


def _head(pen: Pen, face: Mapping[str, Any]) -> None:
    skin, a = SKINS[face["skin"]], face["head_width"]
    neck = [(-0.26, 0.7), (0.26, 0.7), (0.28, 1.24), (0.16, 1.34), (-0.16, 1.34), (-0.28, 1.24)]
    pen.polygon(neck, _darker(skin, 0.86), contour=True)
    for side in (-1, 1):
        pen.ellipse(side * a, 0.12, 0.15, 0.2, skin, contour=True)
    pen.polygon(_outline(face, 1.0), skin, contour=True)
    for side in (-1, 1):
        pen.ellipse(side * 0.58 * a, 0.45, 0.17, 0.11, _mixed(skin, (240, 90, 90), 0.22))


def _hair_in_front(pen: Pen, face: Mapping[str, Any]) -> None:
    if HAIR_STYLES[face["hair_style"]] == "bald":
        return
    upper_half = [point for point in _outline(face, 1.09) if point[1] < 0.02]
    left_to_right = sorted(upper_half)
    a, b = face["head_width"], face["head_height"]
    hairline = [(0.94 * a * x, b * _hairline(HAIRLINES[face["hairline"]], x)) for x in ACROSS[::-1].tolist()]
    pen.polygon([*left_to_right, *hairline], _hair_colour(face), contour=True)


def _hairline(kind: str, x: float) -> float:
    """How far down the hair reaches at x of -1 ... 1 across the head."""
    if kind == "round":
        return -0.62 + 0.55 * x**4
    if kind == "fringe":
        return -0.36 + 0.3 * x**4
    if kind == "spikes":
        return -0.5 + 0.16 * (round(6 * (x + 1)) % 2) + 0.3 * x**4
    parting = -0.45 if kind == "left parting" else 0.45
    return -0.78 + 0.5 * abs(x - parting) + 0.1 * x**4


def _eyes(pen: Pen, face: Mapping[str, Any]) -> None:
    iris, r = EYE_COLOURS[face["eye_colour"]], face["eye_size"]
    height = r * face["eye_openness"]
    for side in (-1, 1):
        x, look = side * face["eye_spacing"], face["gaze"] * r
        pen.ellipse(x, 0.1, r, height, WHITE)
        pen.ellipse(x + look, 0.12, 0.66 * r, 0.76 * height, iris)
        pen.ellipse(x + look, 0.12, 0.36 * r, 0.44 * height, INK)
        pen.ellipse(x + look - 0.24 * r, 0.1 - 0.3 * height, 0.2 * r, 0.2 * height, WHITE)
        lid = [(x + 1.04 * r * u, 0.1 - 1.02 * height * (1 - 0.96 * u * u) ** 0.5) for u in ACROSS.tolist()]
        pen.line(lid, INK, 0.06)


def _brows(pen: Pen, face: Mapping[str, Any]) -> None:
    colour, r = _darker(_hair_colour(face), 0.7), face["eye_size"]
    y = 0.1 - r * face["eye_openness"] - face["brow_height"]
    for side in (-1, 1):
        middle, slant = side * face["eye_spacing"], face["brow_slant"]
        inner, outer = middle - side * 0.8 * r, middle + side * 1.0 * r
        pen.line([(inner, y + slant), (middle, y - 0.05), (outer, y - slant + 0.03)], colour, 0.075)


def _nose(pen: Pen, face: Mapping[str, Any]) -> None:
    size, shadow, kind = face["nose_size"], _darker(SKINS[face["skin"]], 0.68), NOSES[face["nose"]]
    if kind == "arc":
        pen.line([(size * u, 0.4 + 0.6 * size * (1 - u * u)) for u in ACROSS[::2].tolist()], shadow, 0.05)
    elif kind == "wedge":
        pen.line([(0.02, 0.24), (-size, 0.44), (0.5 * size, 0.46)], shadow, 0.05)
    else:
        pen.ellipse(0, 0.4, 1.1 * size, 0.8 * size, shadow)


def _mouth(pen: Pen, face: Mapping[str, Any]) -> None:
    kind, w, bend, y = MOUTHS[face["mouth"]], face["mouth_width"], face["mouth_curvature"], 0.7 * face["head_height"]
    skin = SKINS[face["skin"]]
    # Lips must be seen on every skin: darker than a light one, lighter than a dark one.
    lips = _darker(_mixed(skin, RED, 0.6), 0.72) if skin[1] > 100 else _mixed(_mixed(skin, RED, 0.5), WHITE, 0.3)
    if kind == "closed":
        pen.line([(w * u, y + bend * (1 - 2 * u * u)) for u in ACROSS.tolist()], lips, 0.07)
    elif kind == "round":
        pen.ellipse(0, y, 0.45 * w, 0.12 + 0.5 * bend, INSIDE)
        pen.ellipse(0, y + 0.05, 0.28 * w, 0.05 + 0.2 * bend, TONGUE)
    else:
        lower = [(w * u, y - 0.08 + (0.2 + bend) * (1 - u * u)) for u in ACROSS.tolist()]
        pen.polygon(lower, WHITE if kind == "grin" else INSIDE)
        if kind == "open":
            pen.ellipse(0, y + 0.04 + 0.6 * bend, 0.4 * w, 0.05, TONGUE)
        pen.line([*lower, lower[0]], lips, 0.055)


def _glasses(pen: Pen, face: Mapping[str, Any]) -> None:
    kind, r, x = GLASSES[face["glasses"]], 1.28 * face["eye_size"], face["eye_spacing"]
    if kind == "none":
        return
    # A power of 1 makes a circle, a small one a square with round corners.
    power = 1.0 if kind == "round" else 0.45
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    rim_x, rim_y = np.sign(cos) * abs(cos) ** power * r, np.sign(sin) * abs(sin) ** power * r
    for side in (-1, 1):
        rim = list(zip((rim_x + side * x).tolist(), (rim_y + 0.1).tolist(), strict=True))
        pen.line([*rim, rim[0], rim[1]], INK, 0.055)
        pen.line([(side * (x + r), 0.06), (side * face["head_width"], 0.02)], INK, 0.055)
    if x > r:
        pen.line([(r - x, 0.08), (0, 0.04), (x - r, 0.08)], INK, 0.055)


def _outline(face: Mapping[str, Any], scale: float) -> Points:
    """The head's contour, enlarged: an ellipse whose lower half narrows towards the chin."""
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    narrowed = 1 - face["jaw"] * np.maximum(sin, 0)
    x, y = scale * face["head_width"] * cos * narrowed, scale * face["head_height"] * sin
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _hair_colour(face: Mapping[str, Any]) -> Colour:
    return tuple(HAIR_COLOURS.values())[face["hair_colour"]]


def _from_hue(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _darker(colour: Colour, factor: float = 0.55) -> Colour:
    return _mixed((0, 0, 0), colour, factor)


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """(1 - share) of the one colour and `share` of the other."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(colour, other, strict=True))
    return red, green, blue

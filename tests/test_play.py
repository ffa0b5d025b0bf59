"""`minigan play`: the directions, what the server answers and refuses, and the page in a browser."""

import contextlib
import http.client
import io
import json
import os
import queue
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import Generator, Sequential, models, save_model
from minigan.cli import main
from minigan.generator import draw_noise
from minigan.layers import Conv2DTranspose, Dense, LabelEmbedding, Layer, Reshape, Tanh
from minigan.pictures import to_uint8
from minigan.play.directions import directions
from minigan.play.player import Player
from minigan.play.server import PlayServer, content_security_policy
from minigan.sampling import images_of, noise_of

from .browser import FOUND, WHY_NOT, Browser

WISH = {"number": 0, "sliders": [0] * 6, "label": None, "other": 1}


def generator(latent="normal", classes=0, d=8):
    layers = [Dense(30), Tanh(), Dense(12), Tanh(), Reshape((3, 4, 1))]
    return Generator(layers, input_shape=d + classes, latent=latent, classes=classes, name="G", seed=1, backend="numpy")


@contextlib.contextmanager
def served(G, **changed):
    """A server of this generator, running."""
    with PlayServer(Player(G), "the <model>") as server:
        server.__dict__.update(changed)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def plain():
    with served(generator()) as server:
        yield server


@pytest.fixture(scope="module")
def conditional():
    with served(generator(classes=3)) as server:
        yield server


def ask(server, method, path, body=None, host=None, **headers):
    """(status, type, content) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": host or f"127.0.0.1:{server.server_port}", **headers}.items():
        if value:
            connection.putheader(name.replace("_", "-"), value)
    if body is not None and "Content_Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    with contextlib.closing(connection), connection.getresponse() as answer:
        return answer.status, answer.headers["Content-Type"], answer.read()


def wish(server, path, **changed):
    return ask(server, "POST", path, json.dumps(WISH | changed).encode())


def pixels(answer):
    status, kind, content = answer
    assert (status, kind) == (200, "image/png"), content
    return np.asarray(Image.open(io.BytesIO(content)))


# The directions ------------------------------------------------------------------------------------------------------


def with_spectrum(layers, name):
    """A network whose first Dense has the singular values 9, 5, 2, 0.1, ..."""
    net = Sequential(layers, input_shape=8, name=name, seed=1, backend="numpy")
    first = net.layers[0]
    U, _, Vt = np.linalg.svd(np.asarray(first.W, np.float64), full_matrices=False)
    first.W[...] = U * [9, 5, 2, 0.1, 0.1, 0.1, 0.1, 0.1] @ Vt
    return net, U


def test_of_a_dense_layer_they_are_its_singular_vectors():
    net, U = with_spectrum([Dense(30), Tanh(), Reshape((5, 6, 1))], "G")
    found = directions(net, 3)
    assert found.shape == (3, 8) and np.allclose(abs(found @ U[:, :3]), np.eye(3), rtol=0, atol=1e-5)
    assert (found[np.arange(3), abs(found).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_images_change_more_along_the_first_than_along_others(latent):
    net, U = with_spectrum([Dense(30), Tanh(), Reshape((5, 6, 1))], "G")
    z = np.asarray(draw_noise(net, 20, 0, "samples", 0))
    first, last = (abs(images_of(net, z + u) - images_of(net, z - u)).mean() for u in (directions(net, 3)[0], U[:, -1]))
    assert first > 3 * last


@pytest.mark.parametrize(
    ("layers", "options"),
    [
        ([Reshape((1, 1, 8)), Conv2DTranspose(5, 3), Tanh()], {}),
        ([LabelEmbedding(3, 4), Dense(12), Tanh(), Reshape((3, 4, 1))], {"classes": 3}),
        ([Dense(3), Dense(12), Reshape((3, 4, 1))], {}),
    ],
    ids=["a convolution", "an embedding before", "fewer outputs"],
)
def test_other_first_layers(layers, options):
    net = Generator(layers, input_shape=8 + options.get("classes", 0), name="G", backend="numpy", **options)
    found = directions(net, 6)
    assert found.shape == (3 if layers[0].__class__ is Dense else 6, 8)
    assert np.allclose(found @ found.T, np.eye(len(found)), rtol=0, atol=1e-12)
    assert np.array_equal(found, directions(net, 6))


# What is answered ----------------------------------------------------------------------------------------------------


def test_the_page_and_its_facts(plain, conditional):
    status, kind, page = ask(plain, "GET", "/")
    assert (status, kind) == (200, "text/html; charset=utf-8") and b"Play with a generator" in page
    assert len(page) < 16_000 and not re.search(rb"https?://", page)
    for server, classes in ((plain, 0), (conditional, 3)):
        facts = json.loads(ask(server, "GET", "/model")[2])
        assert facts == {"title": "the <model>", "seed": 0, "shape": [3, 4, 1], "classes": classes, "sliders": 6,
                         "reach": 3.0, "strip": 7}  # fmt: skip


def test_an_image_is_that_of_sample_and_sliders_move_it(plain):
    G = generator()
    z = noise_of(G, 0, [5])
    assert abs(pixels(wish(plain, "/image", number=5)) - to_uint8(images_of(G, z))[0, ..., 0].astype(int)).max() <= 1
    along = z + 2 * directions(G, 6)[1] - directions(G, 6)[4]
    moved = pixels(wish(plain, "/image", number=5, sliders=[0, 2, 0, 0, -1, 0]))
    assert abs(moved - to_uint8(images_of(G, along))[0, ..., 0].astype(int)).max() <= 1


def test_uniform_noise_stays_in_its_cube():
    player = Player(generator("uniform"))
    with served(player.G) as server:
        far = pixels(wish(server, "/image", sliders=[3, -3, 3, -3, 3, -3]))
    deviation = np.sqrt(1 / 3)
    z = noise_of(player.G, 0, [0]) + deviation * np.array([3, -3, 3, -3, 3, -3]) @ player.directions
    assert abs(z).max() > 1  # or nothing is tested
    assert abs(far - to_uint8(images_of(player.G, z.clip(-1, 1)))[0, ..., 0].astype(int)).max() <= 1


def test_a_strip_leads_from_the_image_to_the_other(conditional):
    strip = pixels(wish(conditional, "/strip", number=2, label=1, other=9, sliders=[1, 0, 0, 0, 0, 0]))
    assert strip.shape == (3, 7 * 4)
    ends = [wish(conditional, "/image", number=2, label=1, sliders=[1, 0, 0, 0, 0, 0])]
    ends += [wish(conditional, "/image", number=9, label=1)]
    for end, part in zip(ends, (strip[:, :4], strip[:, -4:]), strict=True):
        assert abs(pixels(end) - part.astype(int)).max() <= 1
    assert not np.array_equal(pixels(ends[1]), pixels(wish(conditional, "/image", number=9, label=2)))


def test_many_at_once_get_what_they_asked_for(plain):
    """The network's buffers are one request's at a time."""
    alone = [wish(plain, "/strip", number=i) for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda i: wish(plain, "/strip", number=i % 8), range(64))) == 8 * alone


def test_a_connection_serves_many_requests(plain):
    connection = http.client.HTTPConnection("127.0.0.1", plain.server_port, timeout=20)
    with contextlib.closing(connection):
        for path, status in (("/image", 200), ("/nothing", 404), ("/image", 200)):
            connection.request("POST", path, json.dumps(WISH))
            answer = connection.getresponse()
            assert answer.status == status and answer.read()


# What is refused -----------------------------------------------------------------------------------------------------

JSON = json.dumps(WISH)
BAD = {
    "nothing": "",
    "no JSON": "number=3",
    "half": JSON[:-5],
    "no text": b"\xff\xfe\x00",
    "a list": "[]",
    "deep": 4_000 * "[",
    "a key fewer": '{"number": 0}',
    "a key more": json.dumps(WISH | {"path": "/etc"}),
    "five sliders": json.dumps(WISH | {"sliders": [0] * 5}),
    "no list": json.dumps(WISH | {"sliders": 6}),
    "text": json.dumps(WISH | {"sliders": ["0"] * 6}),
    "true": json.dumps(WISH | {"sliders": [True] * 6}),
    "null": json.dumps(WISH | {"sliders": [None] * 6}),
    "NaN": json.dumps(WISH | {"sliders": [float("nan")] * 6}),
    "infinity": json.dumps(WISH | {"sliders": [float("-inf")] * 6}),
    "beyond floats": JSON.replace("[0,", f"[1{400 * '0'},"),
    "too far": json.dumps(WISH | {"sliders": [3.1] + [0] * 5}),
    "a fraction": json.dumps(WISH | {"number": 0.5}),
    "below 0": json.dumps(WISH | {"number": -1}),
    "too high": json.dumps(WISH | {"other": 10_000_000}),
    "true for a number": json.dumps(WISH | {"other": True}),
    "a class of none": json.dumps(WISH | {"label": 0}),
    "huge": 5_000 * " " + JSON,
}


@pytest.mark.parametrize("path", ["/image", "/strip"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_wish_gets_a_sentence(plain, case, path):
    body = BAD[case] if isinstance(BAD[case], bytes) else BAD[case].encode()
    status, kind, said = ask(plain, "POST", path, body)
    assert (status, kind) == (400, "text/plain; charset=utf-8") and re.fullmatch(rb"[^\n<]{10,}\.\n", said)
    assert wish(plain, path)[0] == 200  # it lives on


@pytest.mark.parametrize("label", [None, 3, -1, 1.0, "1", True, [1]])
def test_a_class_that_there_is_not(conditional, label):
    status, _, said = wish(conditional, "/image", label=label)
    assert (status, said) == (400, b"label must be a whole number from 0 to 2.\n")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content_Length": "many"}, None),
        ({"Content_Length": "-1"}, None),
        ({"Content_Length": "1" * 30}, None),
        ({"Transfer_Encoding": "chunked", "Content_Length": ""}, b"2\r\n{}\r\n0\r\n\r\n"),
        ({}, 3_000_000 * b" "),
    ],
    ids=["text", "below 0", "endless", "chunks", "3 MB"],
)
def test_a_body_of_no_length_or_of_too_much(plain, headers, body):
    with contextlib.suppress(ConnectionError):  # of the 3 MB, 1 MB are read
        assert ask(plain, "POST", "/image", body, **headers)[0] == 400
    assert wish(plain, "/image")[0] == 200


def test_a_client_that_says_less_than_it_promised_or_leaves(plain):
    for text in (b"", b"GET", b"\x16\x03\x01\x02\x00", b"POST /image HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", plain.server_port)) as client:
            client.sendall(text)
    assert wish(plain, "/image")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/image", 404), ("POST", "/", 404), ("POST", "/model", 404), ("GET", "/?x", 404),
        ("GET", "/../pyproject.toml", 404), ("GET", "/favicon.ico", 404), ("GET", "/%2e%2e/", 404),
        ("PUT", "/image", 501), ("DELETE", "/", 501), ("OPTIONS", "/image", 501), ("HEAD", "/", 501),
    ],
)  # fmt: skip
def test_only_known_paths_are_answered(plain, method, path, status):
    assert ask(plain, method, path)[0] == status


OTHERS = [
    "evil.example",
    "127.0.0.1",
    "127.0.0.1:1",
    "localhost",
    "[::1]:{}",
    "evil.example:{}",
    "127.0.0.1:{}.evil",
    " ",
]


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/model"), ("POST", "/image"), ("GET", "/nothing")])
def test_requests_to_other_hosts_are_refused(plain, host, method, path):
    """A name of a stranger's that leads to 127.0.0.1 (DNS rebinding)."""
    body = JSON.encode() if method == "POST" else None
    assert ask(plain, method, path, body, host=host.format(plain.server_port))[0] == 403


ORIGINS = [
    "null",
    "https://evil.example",
    "http://evil.example:{}",
    "https://127.0.0.1:{}",
    "http://127.0.0.1",
    "http://",
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/model"), ("POST", "/image"), ("POST", "/strip")])
def test_requests_of_other_pages_are_refused(plain, origin, method, path):
    body = JSON.encode() if method == "POST" else None
    assert ask(plain, method, path, body, Origin=origin.format(plain.server_port))[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_its_own_page_may_ask(plain, name):
    own = f"{name}:{plain.server_port}"
    assert ask(plain, "POST", "/image", JSON.encode(), host=own, Origin=f"http://{own}")[0] == 200


def test_a_request_without_or_with_two_hosts(plain):
    for hosts in ("", f"Host: 127.0.0.1:{plain.server_port}\r\n" * 2):
        with socket.create_connection(("127.0.0.1", plain.server_port)) as client:
            client.sendall(f"GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
            assert client.makefile("rb").readline().startswith(b"HTTP/1.1 403 ")


def test_only_this_machine_can_reach_it(plain):
    assert plain.socket.getsockname()[0] == "127.0.0.1" and plain.address == f"http://127.0.0.1:{plain.server_port}/"


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/nothing"), ("PUT", "/"), ("POST", "/image")])
def test_nothing_foreign_may_be_loaded(plain, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", plain.server_port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path)
        policy = connection.getresponse().headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'" and "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy) and rules["connect-src"] == "'self'"
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", rules[f"{kind}-src"]) for kind in ("script", "style"))


class Spoilt(Layer):
    """Numbers that are none."""

    def forward(self, x, train):
        return x * np.nan


def test_a_generator_that_makes_no_images_is_an_answer_too():
    G = Sequential([Dense(12), Reshape((3, 4, 1)), Spoilt()], input_shape=8, name="G", backend="numpy")
    with served(G) as server:
        for _ in range(2):
            status, _, said = wish(server, "/image")
            assert (
                status == 500 and said == b"The generator makes no image of it: G makes numbers that are not finite.\n"
            )


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model("model.npz", generator())
    return tmp_path / "model.npz"


REFUSED = [
    ("model.npz --port -1", "--port is -1; it must be at least 0 and less than 65536"),
    ("model.npz --port 65536", "--port is 65536"),
    ("model.npz --port http", "--port", "'http'"),
    ("modl.npz", "modl.npz does not exist; did you mean model.npz?"),
    ("model.npz --backend nonsense", "'nonsense'"),
    ("", "MODEL"),
]


@pytest.mark.parametrize(("flags", "words"), [(f, w) for f, *w in REFUSED], ids=[flags for flags, *_ in REFUSED])
def test_what_cannot_be_played_with_is_refused(model, capsys, flags, words):
    assert main(["play", *flags.split()]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and all(word in said.err for word in words)


def test_a_port_in_use_is_named(model, plain, capsys):
    assert main(["play", "model.npz", "--no-browser", "--port", str(plain.server_port)]) == 2
    said = capsys.readouterr()
    wanted = f"--port {plain.server_port}: another program uses it; name another, or leave it out for one that is free"
    assert said.out == "" and said.err == f"error: {wanted}\n"


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit):
        main(["play", "--help"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("MODEL", "--port", "--backend", "--no-browser"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no Ctrl-C for one process")
def test_it_says_where_it_is_and_ctrl_c_ends_it_quietly(model):
    command = [sys.executable, "-m", "minigan", "play", "model.npz", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=model.parent)
    try:
        said = process.stdout.readline()
        address = re.fullmatch(r"model\.npz: http://(127\.0\.0\.1:\d+)/    Ctrl-C ends it\n", said)
        assert address, said
        with contextlib.closing(http.client.HTTPConnection(address[1], timeout=20)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "") and process.returncode == 0
    finally:
        process.kill()


@pytest.mark.parametrize("flags", [[], ["--no-browser"]])
def test_the_browser_is_opened_unless_one_says_no(model, monkeypatch, capsys, flags):
    opened = queue.Queue()

    def serve(server):
        if not flags:
            assert opened.get(timeout=10) == server.address
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", opened.put)
    monkeypatch.setattr(PlayServer, "serve_forever", serve)
    assert main(["play", "model.npz", *flags]) == 0
    assert opened.empty() and capsys.readouterr().err == ""


# In a browser, and how fast ------------------------------------------------------------------------------------------

# What a person does: the next image, another class, and a drag of the first slider.
DRIVE = """
start().then(async () => {
  at("next").click();
  document.querySelectorAll(".class input")[2].click();
  const slider = at("slider0");
  for (let i = 1; i <= 20; i++) {
    slider.value = i / 10;
    slider.dispatchEvent(new Event("input"));
  }
  while (busy) await new Promise((done) => setTimeout(done, 10));
  document.title = `${at("image").naturalWidth} ${at("strip").naturalWidth} ${at("save").download}`;
});
"""


DRIVEN = """
new Promise((done) => {
  const wait = () => (document.title.endsWith(".png") ? done(true) : setTimeout(wait, 20));
  wait();
})
"""


@pytest.mark.skipif(FOUND is None, reason=WHY_NOT)
def test_the_page_shows_images_and_a_drag_makes_no_queue(tmp_path, monkeypatch):
    asked = []
    usual = Player.image
    monkeypatch.setattr(Player, "image", lambda player, wish: asked.append(wish) or usual(player, wish))
    page = (Path(__file__).parent.parent / "minigan" / "play" / "page.html").read_text(encoding="utf-8")
    page = page.replace("\nstart();\n", DRIVE)
    assert DRIVE in page
    policy = content_security_policy(page)
    with served(generator(classes=3), page=page.encode(), policy=policy) as server, Browser() as browser:
        browser.open(server.address, offline=False)
        browser.run(DRIVEN)
        found = browser.run("document.documentElement.outerHTML")
        assert browser.messages == []
    assert "<title>4 28 image-1.png</title>" in found
    assert 'alt="Image 1 of seed 0, class 2, direction 1 at 2"' in found
    assert "the &lt;model&gt;, images 3 x 4 x 1" in found
    assert asked[-1].sliders[0] == 2 and len(asked) <= 4  # the first, one of the drag or none, and the last


SPEEDS = {
    "mnist_mlp": (lambda: models.mnist_mlp(backend="numpy"), 0.05),
    "mnist_dcgan": (lambda: models.mnist_dcgan(backend="numpy"), 0.05),
    "faces64": (lambda: models.faces64(width=16, backend="numpy"), 0.2),
    "celeba64": (lambda: models.celeba64(width=16, backend="numpy"), 0.2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPEEDS)
def test_an_answer_comes_before_one_waits_for_it(name):
    build, bound = SPEEDS[name]
    with served(build()[0]) as server:
        for path in ("/image", "/strip"):
            seconds = []
            for number in range(20):
                started = time.perf_counter()
                assert wish(server, path, number=number)[0] == 200
                seconds.append(time.perf_counter() - started)
            print(f"{name} {path}: {1000 * statistics.median(seconds):.1f} ms, at most {1000 * max(seconds):.1f}")
            assert statistics.median(seconds) < bound

"""The live figures of lessons 6 to 10.

    python docs/course/figures/make_later.py 08        figures/08-overlap.html, and its picture where a browser is found
    python docs/course/figures/make_later.py           all of them; minutes, since those of 06, 09 and 10 train GANs

Every number is computed here and stands in its page as JSON; the pages load nothing and open offline. The pictures are
screenshots by a headless Chromium.
"""
# ruff: noqa: E501 (the lines of the pages are as long as HTML has them)

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import minigan as mg
from minigan.layers import BatchNorm, Conv2DTranspose

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title><!--TITLE--></title>
<style>
:root { --back: #fff; --text: #1b1f24; --soft: #59636e; --line: #c3cad1; --panel: #f6f8fa; --blue: #0969da; --red: #c4320a; --green: #1a7f37; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #3d444d; --panel: #151b23; --blue: #58a6ff; --red: #ff8f6b; --green: #56d364; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: .6rem .8rem; max-width: 760px; background: var(--back); color: var(--text); font: 15px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.05rem; margin: 0 0 .4rem; }
p { margin: .4rem 0; }
.controls { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: center; }
.controls label { display: flex; gap: .5rem; align-items: center; }
input[type=range] { width: 11rem; max-width: 45vw; accent-color: var(--blue); }
output { font-variant-numeric: tabular-nums; min-width: 2.2rem; display: inline-block; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.row { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: .5rem; }
figure { margin: 0; flex: 1 1 300px; min-width: 0; }
figcaption { font-size: .86rem; color: var(--soft); font-variant-numeric: tabular-nums; }
canvas { display: block; width: 100%; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; }
</style>
</head>
<body>
<h1><!--TITLE--></h1>
<noscript><p>This figure moves with JavaScript; the picture of it in the lesson does not need any.</p></noscript>
<!--BODY-->
<script type="application/json" id="data"><!--DATA--></script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent), byId = (id) => document.getElementById(id);
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
function pen(id, height) {  // a context of this canvas, as wide as the page lets it be
  const canvas = byId(id), ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.style.height = height + "px";
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const found = canvas.getContext("2d");
  found.scale(ratio, ratio);
  found.font = "12px system-ui, sans-serif";
  return [found, width];
}
<!--SCRIPT-->
draw();
window.addEventListener("resize", draw);
for (const one of document.querySelectorAll("input")) one.addEventListener("input", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
</script>
</body>
</html>
"""


def save(name: str, title: str, body: str, script: str, numbers: dict) -> None:
    """figures/name.html, and its picture."""
    content = PAGE
    parts = {"TITLE": title, "BODY": body, "DATA": json.dumps(numbers, separators=(",", ":")), "SCRIPT": script}
    for mark, part in parts.items():
        content = content.replace(f"<!--{mark}-->", part)
    (HERE / f"{name}.html").write_text(content, encoding="utf-8")
    photograph(name, 760, 560)


def photograph(name: str, width: int, height: int) -> None:
    """figures/name.png, of at most 120 kB: what a browser of this size shows of figures/name.html."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        print(f"no browser here: {name}.png stays as it was")
        return
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/home"]
        page = (HERE / f"{name}.html").as_uri()
        subprocess.run(
            [browser, *flags, "--virtual-time-budget=3000", f"--window-size={width},{height}", f"--screenshot={shot}", page],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        from PIL import Image

        with Image.open(shot) as picture:
            for colours in (256, 192, 128, 96, 64):
                few = picture.convert("RGB").quantize(colours, kmeans=1, dither=Image.Dither.NONE)
                few.save(HERE / f"{name}.png", optimize=True)
                if (HERE / f"{name}.png").stat().st_size <= 120_000:
                    break
    print(
        f"{name}: page {(HERE / f'{name}.html').stat().st_size:,} bytes, picture {(HERE / f'{name}.png').stat().st_size:,}"
    )


# 07: which outputs move when one number moves. ----------------------------------------------------------------------


def jacobian(x: np.ndarray, axes: tuple[int, ...], groups: int = 1, h: float = 1e-6) -> np.ndarray:
    """dy/dx of the normalisation of x (n, pixels, channels) over these axes of (n, pixels, groups, channels / groups)."""
    shape = (*x.shape[:2], groups, x.shape[2] // groups)

    def normalised(x: np.ndarray) -> np.ndarray:
        x = x.reshape(shape)
        y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
        return y.ravel()

    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(normalised(x + step) - normalised(x - step)) / (2 * h) for step in steps]).T


def coupling() -> None:
    """07-coupling: four images of four channels of 2 x 2 pixels; a slider chooses the number that moves."""
    x = np.random.default_rng(7).normal(size=(4, 4, 4))
    kinds = {
        "BatchNorm": jacobian(x, (0, 1), 4),
        "LayerNorm": jacobian(x, (1, 2, 3)),
        "InstanceNorm": jacobian(x, (1,), 4),
        "GroupNorm, 2 groups": jacobian(x, (1, 3), 2),
    }
    net = mg.Sequential([BatchNorm()], input_shape=(4, 4), dtype="float64")  # the layer itself, against the formula
    dy = np.zeros((64, 1))
    for i in range(0, 64, 7):
        dy[...] = 0
        dy[i] = 1
        net.forward(x)
        assert np.allclose(net.backward(dy.reshape(x.shape)).ravel(), kinds["BatchNorm"][i], atol=1e-6)
    body = """<div class="controls"><label>the number that moves <input type="range" id="j" min="0" max="63" value="21">
<output id="where"></output></label></div>
<div class="row">
<figure><canvas id="c0"></canvas><figcaption id="t0"></figcaption></figure>
<figure><canvas id="c1"></canvas><figcaption id="t1"></figcaption></figure>
<figure><canvas id="c2"></canvas><figcaption id="t2"></figcaption></figure>
<figure><canvas id="c3"></canvas><figcaption id="t3"></figcaption></figure>
</div>
<p class="soft">A row is an image, a block of 2 x 2 cells a channel of it. The framed number moves up a little: blue
outputs move up, red ones down, the others stay.</p>"""
    script = """
function draw() {
  const j = +byId("j").value, image = j >> 4, pixel = (j >> 2) & 3, channel = j & 3;
  byId("where").textContent = `image ${image + 1}, channel ${channel + 1}, pixel ${pixel + 1}`;
  data.names.forEach((name, k) => {
    const [p, width] = pen("c" + k, 158), left = 64, cell = Math.min((width - left - 8 - 3 * 8) / 8, 28);
    const column = data.jacobians[k].map((row) => row[j]), others = new Set();
    p.fillStyle = tone("soft");
    for (let i = 0; i < 4; i++) p.fillText("image " + (i + 1), 6, 10 + i * 37 + 20);
    column.forEach((value, i) => {
      const n = i >> 4, q = (i >> 2) & 3, c = i & 3;
      const x = left + c * (2 * cell + 8) + (q & 1) * cell, y = 8 + n * 37 + (q >> 1) * 17;
      if (Math.abs(value) > 1e-4 && n !== image) others.add(n);
      p.fillStyle = tone("back");
      p.fillRect(x, y, cell - 1, 16);
      p.globalAlpha = Math.abs(value) < 1e-4 ? 0 : Math.min(1, 0.15 + 0.85 * Math.sqrt(Math.abs(value)));
      p.fillStyle = tone(value > 0 ? "blue" : "red");
      p.fillRect(x, y, cell - 1, 16);
      p.globalAlpha = 1;
      p.strokeStyle = tone("line");
      p.lineWidth = 1;
      p.strokeRect(x + 0.5, y + 0.5, cell - 2, 15);
      if (i === j) { p.strokeStyle = tone("text"); p.lineWidth = 2; p.strokeRect(x, y, cell - 1, 16); }
    });
    const moved = column.filter((value) => Math.abs(value) > 1e-4).length;
    byId("t" + k).textContent = `${name}: ${moved} of 64 outputs move, in ${others.size} other images`;
  });
}
"""
    numbers = {"names": list(kinds), "jacobians": [np.round(J, 3).tolist() for J in kinds.values()]}
    save("07-coupling", "Which outputs move when one number moves?", body, script, numbers)


# 08: how often a transposed convolution paints a pixel. -------------------------------------------------------------


def overlap() -> None:
    """08-overlap: sliders for kernel and stride; the count, and the mean square of layers with random kernels."""
    found = {}
    draw = np.random.default_rng(8)
    for k in range(1, 8):
        for s in range(1, 5):
            net = mg.Sequential(
                [Conv2DTranspose(1, k, s, bias=False)], input_shape=(6, 6, 1), name=f"{k}, {s}", dtype="float64"
            )
            net.layers[0].W[...] = 1
            count = net.predict(np.ones((1, 6, 6, 1)))[0, :, :, 0]
            square = np.zeros_like(count)
            for _ in range(1000):
                net.layers[0].W[...] = draw.normal(size=net.layers[0].W.shape)
                square += np.square(net.predict(draw.normal(size=(1, 6, 6, 1)))[0, :, :, 0]) / 1000
            found[f"{k},{s}"] = {"count": count.astype(int).tolist(), "square": np.round(square, 1).tolist()}
    body = """<div class="controls"><label>kernel <input type="range" id="k" min="1" max="7" value="3"><output id="kk"></output></label>
<label>stride <input type="range" id="s" min="1" max="4" value="2"><output id="ss"></output></label></div>
<div class="row">
<figure><canvas id="count"></canvas><figcaption id="words"></figcaption></figure>
<figure><canvas id="square"></canvas><figcaption>mean square of the output of 1,000 layers with random kernels and noise for an input: the count, without
anything learned</figcaption></figure>
</div>
<p id="verdict"></p>"""
    script = """
function map(id, rows) {
  const side = Math.min(byId(id).clientWidth, 330), [p, width] = pen(id, side), n = rows.length, cell = Math.floor((side - 8) / n);
  const most = Math.max(...rows.flat()), left = (width - cell * n) / 2, top = (side - cell * n) / 2;
  rows.forEach((row, y) => row.forEach((value, x) => {
    p.fillStyle = tone("back");
    p.fillRect(left + x * cell, top + y * cell, cell, cell);
    p.globalAlpha = value / most;
    p.fillStyle = tone("blue");
    p.fillRect(left + x * cell, top + y * cell, cell, cell);
    p.globalAlpha = 1;
    if (id === "count" && cell > 13) {
      p.fillStyle = value / most > 0.55 ? tone("back") : tone("text");
      p.textAlign = "center";
      p.fillText(value, left + (x + 0.5) * cell, top + (y + 0.5) * cell + 4);
    }
  }));
}
function draw() {
  const k = +byId("k").value, s = +byId("s").value, found = data[k + "," + s];
  byId("kk").textContent = k;
  byId("ss").textContent = s;
  map("count", found.count);
  map("square", found.square);
  const inside = k % s ? `${Math.floor(k / s)} or ${Math.ceil(k / s)}` : `${k / s}`;
  byId("words").textContent = `how many patches paint each pixel, from 6 x 6 inputs; inside, along one axis: ${inside}`;
  byId("verdict").textContent = k % s
    ? `${k} is no multiple of ${s}: a pattern of period ${s} is there before anything is learned.`
    : `${k} is a multiple of ${s}: away from the border all pixels are painted equally often.`;
}
"""
    save("08-overlap", "How often does a transposed convolution paint a pixel?", body, script, found)


# 09: the Dirac-GAN, and a collapse beside its cure. -----------------------------------------------------------------

GAMMAS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0)


def sigmoid(s: float) -> float:
    """1 / (1 + exp(-s))."""
    return 1 / (1 + np.exp(-s))


def orbit(gamma: float, alternating: bool, saturating: bool, steps: int = 400, h: float = 0.1) -> list[list[float]]:
    """theta and psi of the Dirac-GAN, step by step: real points at 0, G's at theta, D(x) = psi x, R1 of weight gamma."""
    theta, psi = 1.0, 0.0
    path = [[theta, psi]]
    for _ in range(steps):
        new = psi - h * (sigmoid(psi * theta) * theta + gamma * psi)
        seen = new if alternating else psi
        theta += h * seen * (sigmoid(seen * theta) if saturating else sigmoid(-seen * theta))
        psi = new
        path.append([round(float(theta), 3), round(float(psi), 3)])
    return path


def dirac() -> None:
    """09-dirac: the orbit of two numbers; sliders for R1's weight and the time."""
    found = {
        f"{i},{int(alternating)},{int(saturating)}": orbit(gamma, alternating, saturating)
        for i, gamma in enumerate(GAMMAS)
        for alternating in (False, True)
        for saturating in (False, True)
    }
    body = """<div class="controls"><label>R1's weight <input type="range" id="g" min="0" max="9" value="0"><output id="gg"></output></label>
<label>steps <input type="range" id="t" min="0" max="400" value="400"><output id="tt"></output></label>
<label><input type="checkbox" id="a"> G answers the new D</label>
<label><input type="checkbox" id="n"> saturating loss</label></div>
<div class="row">
<figure><canvas id="plane"></canvas><figcaption>across: theta, where G puts its point; up: psi, D's slope. The solution is the cross.</figcaption></figure>
<figure><canvas id="time"></canvas><figcaption id="words"></figcaption></figure>
</div>"""
    script = """
function draw() {
  const i = +byId("g").value, t = +byId("t").value, gamma = data.gammas[i];
  const path = data.orbits[`${i},${byId("a").checked ? 1 : 0},${byId("n").checked ? 1 : 0}`].slice(0, t + 1);
  byId("gg").textContent = gamma;
  byId("tt").textContent = t;
  const [p, width] = pen("plane", 330), reach = 1.8, unit = Math.min(width, 330) / (2 * reach);
  const x = (v) => width / 2 + v * unit, y = (v) => 165 - v * unit;
  p.strokeStyle = tone("line");
  p.beginPath(); p.moveTo(0, 165); p.lineTo(width, 165); p.moveTo(width / 2, 0); p.lineTo(width / 2, 330); p.stroke();
  p.strokeStyle = tone("blue");
  p.lineWidth = 1.3;
  p.beginPath();
  path.forEach(([a, b], k) => (k ? p.lineTo(x(a), y(b)) : p.moveTo(x(a), y(b))));
  p.stroke();
  const dot = (a, b, color) => { p.fillStyle = tone(color); p.beginPath(); p.arc(x(a), y(b), 5, 0, 7); p.fill(); };
  dot(1, 0, "soft");
  dot(...path[path.length - 1], "red");
  p.fillStyle = tone("soft");
  p.fillText("theta", width - 34, 160);
  p.fillText("psi", width / 2 + 6, 14);
  p.fillText("start", x(1) + 7, 180);
  const [q, w] = pen("time", 330), most = 1.8;
  q.strokeStyle = tone("line");
  q.fillStyle = tone("soft");
  for (const level of [0, 0.5, 1, 1.5]) {
    const h = 310 - (level / most) * 290;
    q.beginPath(); q.moveTo(30, h); q.lineTo(w, h); q.stroke();
    q.fillText(level, 6, h + 4);
  }
  q.strokeStyle = tone("red");
  q.lineWidth = 1.5;
  q.beginPath();
  path.forEach(([a, b], k) => {
    const px = 30 + (k / 400) * (w - 36), py = 310 - (Math.hypot(a, b) / most) * 290;
    k ? q.lineTo(px, py) : q.moveTo(px, py);
  });
  q.stroke();
  q.fillText("400 steps", w - 62, 326);
  const [a, b] = path[path.length - 1];
  byId("words").textContent = `distance from the solution: now ${Math.hypot(a, b).toFixed(3)}`;
}
"""
    save("09-dirac", "Two numbers that play a GAN", body, script, {"gammas": GAMMAS, "orbits": found})


def plane(name: str, data, latent: int, steps: int, every: int, **switches) -> None:
    """figures/name.html: the explorer of a GAN in the plane; all hidden layers have 128 units, batches 128 points."""
    beta1, beta2 = switches.pop("betas", (0.5, 0.999))
    G, D = mg.models.toy2d(latent=latent, pack=switches.get("pack", 1), seed=0)
    gan = mg.GAN(
        G, D, g_optimizer=mg.Adam(G, 1e-3, beta1, beta2), d_optimizer=mg.Adam(D, 1e-3, beta1, beta2), **switches
    )
    explorer = mg.Explorer(every=every)
    mg.train(gan, data, steps=steps, batch_size=128, callbacks=[explorer], progress=False)
    explorer.save(HERE / f"{name}.html", overwrite=True)
    last = explorer.frames[-1]
    print(f"{name}: {len(last['hit'])} modes, {last['good']:.2f} of high quality")
    photograph(name, 520, 735)


def collapse() -> None:
    """09-collapse and 09-cure: sixteen numbers of noise and a ring of 8, without and with R1."""
    plane("09-collapse", mg.data.ring(8), 16, 3000, 150)
    plane("09-cure", mg.data.ring(8), 16, 3000, 150, penalty=mg.R1(0.1))


# 10: pairs and two penalties on the grid. ---------------------------------------------------------------------------


def grid_of_pairs() -> None:
    """10-pairs: pairs, R1 and R2 in one pass, a grid of 25."""
    steps = 6000
    plane(
        "10-pairs", mg.data.grid(5), 2, steps, 250, betas=(0.0, 0.99), objective="relativistic", penalty=mg.R1R2(0.1),
        fused=True, schedule=lambda step: 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(step / steps, 1)))),
    )  # fmt: skip


# 06: the report of a run on digits. ---------------------------------------------------------------------------------


def report() -> None:
    """06-report: 3,000 steps of the dense GAN on digits, judged every 300."""
    from minigan.pictures import load_png, save_png
    from minigan.report.pages import write_report
    from minigan.run_directory import RunDirectory

    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the page shows the run's folder, relative to this one
        try:
            G, D = mg.models.mnist_mlp()
            judge = mg.metrics.Metrics(every=300, features="digits", count=2000)
            test = mg.data.mnist("test", labels=False).images
            mg.train(
                mg.GAN(G, D), mg.data.mnist(labels=False), steps=3000, batch_size=32, log_every=20, sample_every=300,
                out="runs/digits", progress=False, callbacks=[judge, mg.Diagnostics(held_out=test)],
            )  # fmt: skip
            run = RunDirectory(Path("runs/digits"))
            for path in run.sample_paths():  # 16 grey levels: a third of the bytes
                save_png(path, load_png(path) // 17 * 17, overwrite=True)
            write_report([run], HERE / "06-report.html")
        finally:
            os.chdir(here)
    photograph("06-report", 1000, 1160)


FIGURES = {"06": [report], "07": [coupling], "08": [overlap], "09": [dirac, collapse], "10": [grid_of_pairs]}

if __name__ == "__main__":
    for lesson in sys.argv[1:] or FIGURES:
        for figure in FIGURES[lesson]:
            figure()

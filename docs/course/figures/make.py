"""The live figures of lessons 1 to 5: `python docs/course/figures/make.py [01 ...]` writes them, as make_later.py does."""
# ruff: noqa: E501 (the lines of the pages are as long as HTML has them)

import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
from make_later import plane, save

import minigan as mg

LESSONS = Path(__file__).parent.parent


def block_of(lesson: str, end: str) -> dict[str, Any]:
    """What the first Python block of a lesson defines before a line that begins so: figures show what pages compute."""
    text = next(LESSONS.glob(f"{lesson}-*.md")).read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code.partition(f"\n{end}")[0], names)
    return names


# 01: three numbers. ----------------------------------------------------------------------------------------------------

SETTINGS = {
    "ten steps of D in a round": {},
    "fifty steps of D": {"d_steps": 50},
    "fifty steps of D, saturating": {"d_steps": 50, "saturating": True},
    "one step of D": {"d_steps": 1},
    "ten steps of D of twice the size": {"d_rate": 0.1},
    "one small step of D, a large one of G": {"d_steps": 1, "d_rate": 0.03, "g_rate": 0.3},
}
ROUNDS, EVERY = 1500, 5


def game() -> None:
    """01-game: both hills and D's curve between them, and the way of theta."""
    play = block_of("01", "theta =")["play"]
    paths = {name: np.round(play(ROUNDS, **kw)[::EVERY], 3).tolist() for name, kw in SETTINGS.items()}
    options = "".join(f"<option>{name}</option>" for name in SETTINGS)
    body = f"""<div class="controls"><label>round <input type="range" id="t" min="0" max="{ROUNDS // EVERY}" value="40"><output id="tt"></output></label>
<label>with <select id="s">{options}</select></label></div>
<figure><canvas id="plane"></canvas><figcaption id="words"></figcaption></figure>
<figure><canvas id="time"></canvas><figcaption>theta, by rounds. The line across is the real mean, 7.5.</figcaption></figure>"""
    script = """
byId("s").addEventListener("change", draw);
function draw() {
  const k = +byId("t").value, path = data.paths[byId("s").value], [theta, a, b] = path[k];
  byId("tt").textContent = k * data.every;
  const [p, width] = pen("plane", 250), x = (v) => ((v + 4) / 17) * width, y = (v) => 225 - v * 200;
  const hill = (mean, color) => {
    p.fillStyle = tone(color); p.globalAlpha = 0.25; p.beginPath(); p.moveTo(x(-4), y(0));
    for (let v = -4; v <= 13; v += 0.05) p.lineTo(x(v), y(0.8 * Math.exp(-((v - mean) ** 2) / 2)));
    p.lineTo(x(13), y(0)); p.fill(); p.globalAlpha = 1;
  };
  hill(7.5, "blue"); hill(theta, "red");
  p.strokeStyle = tone("line"); p.fillStyle = tone("soft");
  for (const [level, name] of [[0, "0"], [0.5, "1/2"], [1, "1"]]) {
    p.beginPath(); p.moveTo(0, y(level)); p.lineTo(width, y(level)); p.stroke(); p.fillText(name, 4, y(level) - 3);
  }
  for (let v = -2; v <= 12; v += 2) p.fillText(v, x(v) - 4, 242);
  p.strokeStyle = tone("green"); p.lineWidth = 2; p.beginPath();
  for (let v = -4; v <= 13; v += 0.05) p[v === -4 ? "moveTo" : "lineTo"](x(v), y(1 / (1 + Math.exp(-(a + b * v)))));
  p.stroke();
  byId("words").textContent = `blue: the real numbers; red: G's, around theta = ${theta.toFixed(2)}; green: D, with a = ${a.toFixed(2)} and b = ${b.toFixed(2)}`;
  const [q, w] = pen("time", 150), u = (i) => 30 + (i / (path.length - 1)) * (w - 40), h = (v) => 135 - (v / 11) * 125;
  q.strokeStyle = tone("line"); q.fillStyle = tone("soft");
  for (const v of [0, 7.5]) { q.beginPath(); q.moveTo(30, h(v)); q.lineTo(w, h(v)); q.stroke(); q.fillText(v, 4, h(v) + 4); }
  q.strokeStyle = tone("red"); q.lineWidth = 1.5; q.beginPath();
  path.forEach((one, i) => (i ? q.lineTo(u(i), h(one[0])) : q.moveTo(u(i), h(one[0]))));
  q.stroke();
  q.fillStyle = tone("red"); q.beginPath(); q.arc(u(k), h(theta), 5, 0, 7); q.fill();
}
"""
    save("01-game", "Three numbers: D's curve and the way of theta", body, script, {"paths": paths, "every": EVERY})


# 02: the error of a difference against its step. ------------------------------------------------------------------------

SLOPES = {
    "cos(x), the right one": np.cos,
    "1 - x^2 / 2, wrong": lambda x: 1 - x**2 / 2,
    "1.001 cos(x), a little wrong": lambda x: 1.001 * np.cos(x),
}


def v_curve() -> None:
    """02-v: the worst error over 200 numbers, for steps from 1 to 1e-14."""
    steps = 10.0 ** np.arange(0, -14.01, -0.25)
    x = np.random.default_rng(0).normal(size=200)
    curves: dict[str, list[list[float]]] = {}
    for dtype in (np.float64, np.float32):
        for name, slope in SLOPES.items():
            points = []
            for h in steps:
                plus, minus = x.astype(dtype) + dtype(h), x.astype(dtype) - dtype(h)
                if (plus != minus).all():
                    found = (np.sin(plus) - np.sin(minus)).astype(float) / (plus - minus).astype(float)
                    error = abs(found - slope(x.astype(dtype).astype(float))).max()
                    points.append([round(float(np.log10(h)), 3), round(float(np.log10(max(error, 1e-16))), 3)])
            curves[f"{dtype.__name__} {name}"] = points
    options = "".join(f"<option>{name}</option>" for name in SLOPES)
    body = f"""<div class="controls"><label>against <select id="s">{options}</select></label>
<label><input type="checkbox" id="f"> float32</label>
<label>h <input type="range" id="h" min="0" max="56" value="20"><output id="hh"></output></label></div>
<figure><canvas id="plane"></canvas><figcaption id="words"></figcaption></figure>"""
    script = """
byId("s").addEventListener("change", draw);
function draw() {
  const type = byId("f").checked ? "float32" : "float64", curve = data.curves[`${type} ${byId("s").value}`], at = -byId("h").value / 4;
  byId("hh").textContent = "1e" + at;
  const [p, width] = pen("plane", 380), x = (v) => 44 + (-v / 14) * (width - 70), y = (v) => 350 - ((v + 14) / 14) * 335;
  p.strokeStyle = tone("line"); p.fillStyle = tone("soft");
  for (let v = 0; v >= -14; v -= 2) {
    p.beginPath(); p.moveTo(44, y(v)); p.lineTo(width, y(v)); p.stroke();
    p.fillText("1e" + v, 4, y(v) + 4); p.fillText("1e" + v, x(v) - 8, 372);
  }
  p.strokeStyle = tone("blue"); p.lineWidth = 2; p.beginPath();
  curve.forEach(([h, e], i) => (i ? p.lineTo(x(h), y(e)) : p.moveTo(x(h), y(e))));
  p.stroke();
  const here = curve.find(([h]) => Math.abs(h - at) < 0.01);
  if (here) { p.fillStyle = tone("red"); p.beginPath(); p.arc(x(here[0]), y(here[1]), 5, 0, 7); p.fill(); }
  byId("words").textContent = here ? `across: the step h, smaller to the right; up: the error, here ${(10 ** here[1]).toExponential(1)}`
    : "this h is too small: x + h is x, up to rounding";
}
"""
    save("02-v", "The error of a difference against its step", body, script, {"curves": curves})


# 03: D beside the best D. ------------------------------------------------------------------------------------------------

LOOKS = (0, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 700, 1000, 1500, 2000)


def best() -> None:
    """03-best: what D says of a plane while it learns, as bytes, beside the perfect D."""
    names = block_of("03", "for steps in")
    p, q = names["p"], names["q"]
    perfect, frames = p / (p + q), []

    def look(step: int, D: Any) -> None:
        if step in LOOKS:
            frames.append(names["says"](D))

    names["trained"](LOOKS[-1], look=look)
    levels = [b64encode(np.rint(255 * frame).astype(np.uint8).tobytes()).decode() for frame in [*frames, perfect]]
    off = [round(float(abs(frame - perfect).mean()), 3) for frame in frames]
    body = f"""<div class="controls"><label>steps <input type="range" id="t" min="0" max="{len(LOOKS) - 1}" value="10"><output id="tt"></output></label></div>
<div class="row"><figure><canvas id="left"></canvas><figcaption id="words"></figcaption></figure>
<figure><canvas id="right"></canvas><figcaption>the perfect D, p / (p + q)</figcaption></figure></div>
<p>Blue: real. Red: generated. White: 1/2. Each picture shows the plane from -1.5 to 1.5.</p>"""
    script = """
function show(id, text) {
  const [p, width] = pen(id, 330), side = Math.min(width, 330), cell = side / 40, bytes = atob(text);
  for (let i = 0; i < 1600; i++) {
    const v = bytes.charCodeAt(i) / 255, far = Math.abs(2 * v - 1), away = Math.round(255 * (1 - far));
    p.fillStyle = v > 0.5 ? `rgb(${away}, ${Math.round(255 - 105 * far)}, 255)` : `rgb(255, ${Math.round(255 - 155 * far)}, ${Math.round(255 - 175 * far)})`;
    p.fillRect((i % 40) * cell, (39 - Math.floor(i / 40)) * cell, cell + 0.6, cell + 0.6);
  }
}
function draw() {
  const k = +byId("t").value;
  byId("tt").textContent = data.looks[k];
  show("left", data.levels[k]);
  show("right", data.levels[data.levels.length - 1]);
  byId("words").textContent = `D after ${data.looks[k].toLocaleString("en")} steps: off by ${data.off[k]} on average`;
}
"""
    save(
        "03-best",
        "What D says, and the best it could say",
        body,
        script,
        {"looks": LOOKS, "levels": levels, "off": off},
    )


# 04 and 05: the plane. ----------------------------------------------------------------------------------------------------


def arrows() -> None:
    """04-arrows: a GAN on the ring, with the way of each of its points."""
    plane("04-arrows", mg.data.ring(8), 2, 1500, 75)


def measures() -> None:
    """05-measures: points of six generators, and what the measures say of each."""
    names = block_of("05", 'print(" "')
    clouds, shown = names["clouds"], 350
    found = {name: [round(float(value), 3) for value in names["measures"](cloud)] for name, cloud in clouds.items()}
    points = {name: np.round(cloud[:shown], 2).tolist() for name, cloud in clouds.items()}
    options = "".join(f"<option{' selected' * (name == 'half of the modes')}>{name}</option>" for name in clouds)
    body = f"""<div class="controls"><label>generator <select id="s">{options}</select></label></div>
<div class="row"><figure><canvas id="plane"></canvas><figcaption>gray: real points; red: generated ones</figcaption></figure>
<figure><canvas id="bars"></canvas><figcaption>the line across each bar: real points against real ones</figcaption></figure></div>"""
    script = """
const kinds = [["modes", 8], ["high quality", 1], ["KL of the shares", 0.7], ["10 x Frechet", 6.6], ["precision", 1], ["coverage", 1], ["nearest neighbour", 1]];
byId("s").addEventListener("change", draw);
function draw() {
  const name = byId("s").value, [p, width] = pen("plane", 340), side = Math.min(width, 340), unit = side / 3.6;
  const dots = (list, color) => { p.fillStyle = tone(color); for (const [a, b] of list) p.fillRect(side / 2 + a * unit - 1.5, side / 2 - b * unit - 1.5, 3, 3); };
  p.globalAlpha = 0.5; dots(data.real, "soft"); p.globalAlpha = 0.9; dots(data.points[name], "red");
  const [q, w] = pen("bars", 340), left = 122, most = w - left - 54;
  kinds.forEach(([kind, full], i) => {
    const y = 16 + i * 46, value = data.found[name][i], bar = data.found["real again"][i], at = (v) => left + Math.min(v / full, 1) * most;
    q.fillStyle = tone("text"); q.fillText(kind, 6, y + 17);
    q.fillStyle = tone("blue"); q.fillRect(left, y, Math.max(1, at(value) - left), 24);
    q.fillStyle = tone("text"); q.fillText(value.toFixed(kind === "modes" ? 0 : 2), at(value) + 6, y + 17);
    q.strokeStyle = tone("green"); q.lineWidth = 2; q.beginPath(); q.moveTo(at(bar), y - 5); q.lineTo(at(bar), y + 29); q.stroke();
  });
}
"""
    numbers = {"points": points, "found": found, "real": np.round(names["real"][:shown], 2).tolist()}
    save("05-measures", "Six generators and what the measures say", body, script, numbers)


FIGURES = {"01": game, "02": v_curve, "03": best, "04": arrows, "05": measures}

if __name__ == "__main__":
    for lesson in sys.argv[1:] or FIGURES:
        FIGURES[lesson]()

"use strict";
/* One page for a run, for several, for one that goes on, and for the GAN in the plane. Canvas and plain elements. */
(() => {
  const HEIGHT = 190, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 20, ROW = 18;
  const LOSSES = ["d_loss", "g_loss"], HIDDEN = ["step", "lr", "seconds", "d_loss_real", "d_loss_fake"];
  const WORDS = { d_accuracy: "D's accuracy", w_estimate: "Wasserstein estimate", d_loss: "D", g_loss: "G", held_out: "held out" };
  const LEVELS = { d_accuracy: ["a coin toss", 0.5] };
  const byId = (id) => document.getElementById(id);
  const color = (i) => getComputedStyle(document.documentElement).getPropertyValue(`--c${i % 6}`).trim();
  const text = () => getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  const word = (name) => WORDS[name] || name;
  const whole = (step) => Number(step).toLocaleString("en-US");

  function make(tag, options, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options || {})) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child != null));
    return node;
  }

  function short(value) {
    if (value == null) return "-";
    const size = Math.abs(value);
    if (value === 0 || (size >= 0.01 && size < 1e5)) return String(+value.toPrecision(3));
    return value.toExponential(1);
  }

  /* The last index whose step is at most `step`; -1 if there is none. */
  function at(steps, step) {
    let low = 0, high = steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] <= step) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  function lastValue(values, until) {
    for (let i = until; i >= 0; i--) if (values[i] != null) return values[i];
    return null;
  }

  function canvasOf(host, height) {
    const canvas = make("canvas"), ratio = window.devicePixelRatio || 1, width = host.clientWidth || 320;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px system-ui, sans-serif";
    host.replaceChildren(canvas);
    return [pen, width];
  }

  function ticks(low, high) {
    const raw = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(raw));
    const unit = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
    const found = [];
    for (let y = Math.ceil(low / unit) * unit; y <= high + unit * 1e-6; y += unit) found.push(Math.abs(y) < unit / 1e6 ? 0 : y);
    return found;
  }

  /* Curves over the steps. series: {label, color, steps, values}; levels: [label, y] drawn dashed; marks: steps. */
  function chart(title, series, span, levels, marks) {
    const host = make("div", { class: "plot" }), caption = make("figcaption");
    const figure = make("figure", { role: "img" }, make("h3", {}, title), host, caption);
    let x = () => LEFT;
    const cursor = make("div", { class: "cursor" });
    function draw() {
      const [pen, width] = canvasOf(host, HEIGHT);
      const all = series.flatMap((one) => one.values).concat(levels.map((level) => level[1])).filter((y) => y != null);
      let low = Math.min(...minmax(all)), high = Math.max(...minmax(all));
      if (!all.length) [low, high] = [0, 1];
      const margin = (high - low || Math.abs(high) || 1) * 0.06;
      [low, high] = [low - margin, high + margin];
      x = (step) => LEFT + ((step - span[0]) / (span[1] - span[0] || 1)) * (width - LEFT - RIGHT);
      const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
      pen.fillStyle = text();
      pen.strokeStyle = text();
      for (const tick of ticks(low, high)) {
        pen.globalAlpha = 0.25;
        line(pen, [[LEFT, y(tick)], [width - RIGHT, y(tick)]]);
        pen.globalAlpha = 1;
        pen.textAlign = "right";
        pen.fillText(short(tick), LEFT - 4, y(tick) + 4);
      }
      pen.textAlign = "left";
      pen.fillText(whole(span[0]), LEFT, HEIGHT - 5);
      pen.textAlign = "right";
      pen.fillText(whole(span[1]), width - RIGHT, HEIGHT - 5);
      for (const mark of marks) {
        pen.fillStyle = color(1);
        pen.beginPath();
        pen.moveTo(x(mark), HEIGHT - BOTTOM);
        pen.lineTo(x(mark) - 4, HEIGHT - BOTTOM + 7);
        pen.lineTo(x(mark) + 4, HEIGHT - BOTTOM + 7);
        pen.fill();
      }
      pen.setLineDash([4, 3]);
      for (const level of levels) line(pen, [[LEFT, y(level[1])], [width - RIGHT, y(level[1])]], level[2] == null ? text() : color(level[2]));
      pen.setLineDash([]);
      for (const one of series) {
        const points = one.steps.map((step, i) => [step, one.values[i]]).filter((point) => point[1] != null);
        line(pen, points.map(([step, value]) => [x(step), y(value)]), color(one.color), 1.5);
        if (points.length < 40) for (const [step, value] of points) dot(pen, x(step), y(value), color(one.color));
      }
      host.append(cursor);
    }
    function move(step) {
      cursor.style.left = `${x(Math.min(Math.max(step, span[0]), span[1]))}px`;
      const keys = series.map((one) => [one, lastValue(one.values, at(one.steps, step))]);
      caption.replaceChildren(...keys.flatMap(([one, value]) => [key(one.color), `${one.label} ${short(value)}  `]),
        ...levels.map((level) => ` - - ${level[0]} ${short(level[1])}`));
      const end = series.map((one) => `${one.label} ${short(lastValue(one.values, one.values.length - 1))}`).join(", ");
      figure.setAttribute("aria-label", `${title}; the last values: ${end}`);
    }
    return { figure, draw, move };
  }

  function minmax(values) {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  }

  function line(pen, points, stroke, width) {
    if (stroke) pen.strokeStyle = stroke;
    pen.lineWidth = width || 1;
    pen.beginPath();
    points.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
    pen.stroke();
  }

  function dot(pen, px, py, fill, radius) {
    pen.fillStyle = fill;
    pen.beginPath();
    pen.arc(px, py, radius || 2, 0, 7);
    pen.fill();
  }

  const key = (i) => {
    const square = make("span", { class: "key" });
    square.style.background = color(i);
    return square;
  };

  /* Histograms of D's scores at the slider's step. */
  function histogram(run, title) {
    const host = make("div", { class: "plot" }), caption = make("figcaption");
    const figure = make("figure", { role: "img" }, make("h3", {}, title), host, caption);
    const { low, high, counts } = run.scores, kinds = Object.keys(counts), colors = { real: 0, fake: 1, held_out: 2 };
    const shares = {};
    for (const kind of kinds) shares[kind] = counts[kind].map((row) => row.map((count) => count / (row.reduce((a, b) => a + b) || 1)));
    const tallest = Math.max(0.01, ...kinds.flatMap((kind) => shares[kind].flat()));
    let current = -2;
    const state = { figure, draw: () => paint(current), move: (step) => {
      const i = at(run.line_steps, step);
      if (i !== current) paint(i);
    } };
    function paint(i) {
      current = i;
      const [pen, width] = canvasOf(host, HEIGHT), inner = width - LEFT - RIGHT;
      const bins = kinds.length ? counts[kinds[0]][0].length : 1;
      kinds.forEach((kind) => {
        pen.fillStyle = color(colors[kind]);
        pen.globalAlpha = 0.55;
        (i < 0 ? [] : shares[kind][i]).forEach((share, bin) => {
          const h = (share / tallest) * (HEIGHT - TOP - BOTTOM);
          pen.fillRect(LEFT + (bin / bins) * inner, HEIGHT - BOTTOM - h, inner / bins - 1, h);
        });
      });
      pen.globalAlpha = 1;
      pen.fillStyle = text();
      pen.fillText(short(low), LEFT, HEIGHT - 5);
      pen.textAlign = "right";
      pen.fillText(short(high), width - RIGHT, HEIGHT - 5);
      const words = i < 0 ? "none yet" : `step ${whole(run.line_steps[i])}`;
      caption.replaceChildren(...kinds.flatMap((kind) => [key(colors[kind]), `${word(kind)}  `]), words);
      figure.setAttribute("aria-label", `${title}: ${words}; from ${short(low)} to ${short(high)}`);
    }
    return state;
  }

  /* Layers by steps: dark is small, bright is large, on a logarithmic scale. */
  function strip(run, net, kind, title, span) {
    const rows = run.strips[`${net}.${kind}`], names = run.layers[net], steps = run.line_steps;
    const values = rows.flat().filter((value) => value > 0), [low, high] = minmax(values).map(Math.log10);
    const host = make("div", { class: "plot" }), labels = make("ol"), cursor = make("div", { class: "cursor" });
    const cells = names.map(() => make("span"));
    names.forEach((name, i) => labels.append(make("li", {}, make("span", {}, name), cells[i])));
    const caption = make("figcaption", {}, values.length ? `dark ${short(10 ** low)}, bright ${short(10 ** high)}; grey: none` : "no numbers");
    const figure = make("figure", { role: "group", "aria-label": title }, make("h3", {}, title), make("div", { class: "strip" }, labels, host), caption);
    let x = () => 0;
    function draw() {
      const [pen, width] = canvasOf(host, ROW * names.length), each = width / steps.length;
      rows.forEach((row, r) => row.forEach((value, c) => {
        pen.fillStyle = value > 0 ? shade((Math.log10(value) - low) / (high - low || 1)) : "#808080";
        pen.fillRect(c * each, r * ROW, Math.ceil(each), ROW - 1);
      }));
      x = (i) => (i + 0.5) * each;
      host.append(cursor);
    }
    function move(step) {
      const i = at(steps, step);
      cursor.style.left = `${x(Math.max(i, 0))}px`;
      rows.forEach((row, r) => { cells[r].textContent = i < 0 ? "" : short(row[i]); });
    }
    return { figure, draw, move };
  }

  const STOPS = [[48, 18, 96], [40, 90, 150], [50, 160, 140], [250, 225, 90]];
  function shade(t) {
    const place = Math.min(Math.max(t, 0), 1) * (STOPS.length - 1), i = Math.min(Math.floor(place), STOPS.length - 2);
    return `rgb(${STOPS[i].map((from, k) => Math.round(from + (STOPS[i + 1][k] - from) * (place - i))).join(",")})`;
  }

  function samples(run) {
    const image = make("img", { alt: "" }), caption = make("figcaption");
    const steps = run.grids.map((grid) => grid.step);
    let shown = -1;
    const move = (step) => {
      const i = Math.max(0, at(steps, step));
      if (i === shown) return;
      shown = i;
      image.src = run.grids[i].url;
      image.alt = `samples of ${run.name} at step ${whole(steps[i])}`;
      caption.textContent = `step ${whole(steps[i])}`;
    };
    return { figure: make("figure", {}, make("h3", {}, run.label), image, caption), draw: () => {}, move };
  }

  function findings(runs, go) {
    const items = runs.flatMap((run) => run.findings.map((one) =>
      make("li", {}, make("button", { onclick: () => go(one.step) }, `step ${whole(one.step)}`), " ",
        make("b", {}, (runs.length > 1 ? `${run.label}: ` : "") + one.name), `: ${one.evidence}. ${one.advice}.`)));
    const notes = runs.flatMap((run) => run.notes.map((one) => make("p", { class: "soft" }, `${run.label}: ${one}`)));
    const head = items.length ? make("ul", { class: "findings" }, ...items) : make("p", { class: "soft" }, "The doctor finds nothing wrong.");
    return make("section", {}, make("h2", {}, "The doctor"), head, ...notes);
  }

  function table(runs, field, title) {
    const names = [...new Set(runs.flatMap((run) => Object.keys(run[field])))];
    const rows = names.map((name) => {
      const values = runs.map((run) => run[field][name] ?? "-");
      const differs = new Set(values).size > 1;
      return make("tr", { class: differs ? "differs" : null }, make("th", { scope: "row" }, name + (differs ? " (differs)" : "")), ...values.map((value) => make("td", {}, value)));
    });
    const head = runs.length > 1 ? make("tr", {}, make("td"), ...runs.map((run) => make("th", { scope: "col" }, run.label))) : null;
    return make("section", {}, make("h2", {}, title), make("table", {}, head, ...rows));
  }

  const section = (title, parts) => parts.length
    ? [make("section", {}, make("h2", {}, title), make("div", { class: "grid" }, ...parts.map((part) => part.figure)))] : [];

  /* Everything that a page of runs shows. Returns {steps, parts, nodes}. */
  function runsPage(data, go) {
    const runs = data.runs;
    runs.forEach((run, i) => { run.label = runs.length > 1 ? `${i + 1}. ${run.path.split(/[\\/]/).pop()}` : run.name; });
    const steps = [...new Set(runs.flatMap((run) => [...run.history.step, ...run.grids.map((grid) => grid.step), ...run.line_steps]))].sort((a, b) => a - b);
    if (!steps.length) steps.push(0);
    const span = [steps[0], steps[steps.length - 1]], marks = runs.flatMap((run) => run.findings.map((one) => one.step));
    const columns = [...new Set(runs.flatMap((run) => Object.keys(run.history)))].filter((name) => !HIDDEN.includes(name));
    const groups = runs.length > 1 ? columns.map((name) => [name]) : [LOSSES.filter((name) => columns.includes(name)), ...columns.filter((name) => !LOSSES.includes(name)).map((name) => [name])];
    const curves = groups.filter((group) => group.length).map((group) => {
      const title = group.length > 1 ? "Losses" : (LOSSES.includes(group[0]) ? `Loss of ${word(group[0])}` : word(group[0]));
      const series = runs.flatMap((run, r) => group.filter((name) => run.history[name]).map((name, k) => ({
        label: runs.length > 1 ? run.label : word(name), color: runs.length > 1 ? r : k, steps: run.history.step, values: run.history[name] })));
      const bars = runs.flatMap((run, r) => group.filter((name) => run.bars[name] != null).map((name) => ["real images", run.bars[name], runs.length > 1 ? r : null]));
      return chart(title, series, span, [...bars, ...group.filter((name) => LEVELS[name]).map((name) => LEVELS[name])], marks);
    });
    const measured = runs.filter((run) => run.line_steps.length);
    const scores = measured.map((run) => histogram(run, runs.length > 1 ? run.label : "D's scores of real and fake samples"));
    const strips = measured.flatMap((run) => ["G", "D"].flatMap((net) => [["gradient", "norm of the gradient"], ["update", "last update, by the weights"]].map(([kind, words]) =>
      strip(run, net, kind, `${runs.length > 1 ? `${run.label}, ` : ""}${net}: ${words}`, span))));
    const grids = runs.filter((run) => run.grids.length).map(samples);
    const parts = [...grids, ...curves, ...scores, ...strips];
    const nodes = [findings(runs, go), ...section("Samples", grids), ...section("Curves", curves), ...section("Scores", scores),
      ...section("Layers", strips), table(runs, "settings", "Settings"), table(runs, "about", "The run")];
    return { steps, parts, nodes, head: runs.map((run) => `${run.label}: ${whole(run.steps)} steps${run.stopped ? `, stopped: ${run.stopped}` : ""}`) };
  }

  /* Base64 to numbers. */
  function bytes(textual) {
    return Uint8Array.from(atob(textual), (letter) => letter.charCodeAt(0));
  }

  /* The GAN in the plane. Everything in a frame is drawn on one canvas. */
  function toyPage(data) {
    const { frames, low, high, side, lattice } = data, host = make("div", { class: "plot" }), caption = make("figcaption");
    const layers = { heat: ["D's score", true], real: ["real points", true], fake: ["G's points", true], warp: ["G's warped grid", false], arrows: ["where G's points are pushed", true], modes: ["modes", true] };
    const figure = make("figure", { class: "toy", role: "img" }, host, caption), shown = {};
    const boxes = Object.entries(layers).filter(([name]) => name !== "modes" || data.centres.length).map(([name, [words, on]]) => {
      const box = make("input", { type: "checkbox", checked: on, onchange: () => { shown[name] = box.checked; paint(); } });
      shown[name] = on;
      return make("label", {}, box, ` ${words}`);
    });
    const points = (numbers) => {
      const raw = new Int16Array(bytes(numbers).buffer), found = [];
      for (let i = 0; i < raw.length; i += 2) found.push([low + ((raw[i] + 32767) / 65534) * (high - low), low + ((raw[i + 1] + 32767) / 65534) * (high - low)]);
      return found;
    };
    const real = points(data.real);
    let current = 0, size = 320;
    const place = ([px, py]) => [((px - low) / (high - low)) * size, (1 - (py - low) / (high - low)) * size];
    function heat(pen, frame) {
      const grey = bytes(frame.heat), image = new ImageData(side, side);
      grey.forEach((value, i) => {
        const t = value / 127.5 - 1, tint = t > 0 ? [60, 130, 220] : [220, 90, 50];
        image.data.set([...tint, Math.abs(t) * 170], ((side - 1 - Math.floor(i / side)) * side + (i % side)) * 4);
      });
      const small = make("canvas", { width: side, height: side });
      small.getContext("2d").putImageData(image, 0, 0);
      pen.drawImage(small, 0, 0, size, size);
    }
    function paint() {
      const frame = frames[current];
      size = Math.min(host.clientWidth || 320, 620);
      const [pen] = canvasOf(host, size);
      if (shown.heat) heat(pen, frame);
      if (shown.warp) {
        const knots = points(frame.warp).map(place);
        for (let i = 0; i < lattice; i++) {
          line(pen, knots.slice(i * lattice, (i + 1) * lattice), color(3));
          line(pen, knots.filter((_, k) => k % lattice === i), color(3));
        }
      }
      if (shown.real) for (const point of real) dot(pen, ...place(point), color(5), 1.6);
      if (shown.modes) for (const [i, centre] of data.centres.entries()) {
        const [px, py] = place(centre);
        pen.strokeStyle = color(frame.hit && frame.hit.includes(i) ? 2 : 4);
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(px, py, Math.max(4, (3 * data.std / (high - low)) * size), 0, 7);
        pen.stroke();
      }
      if (shown.fake) for (const point of points(frame.fake)) dot(pen, ...place(point), color(1), 2);
      if (shown.arrows) {
        const ends = points(frame.arrows).map(place);
        for (let i = 0; i < ends.length; i += 2) {
          line(pen, [ends[i], ends[i + 1]], color(0), 1.2);
          dot(pen, ...ends[i + 1], color(0), 1.8);
        }
      }
      const words = data.centres.length ? `${frame.hit.length} of ${data.centres.length} modes hit; ${Math.round(frame.good * 100)} % of G's points within 3 standard deviations of one.` : "";
      caption.textContent = `step ${whole(frame.step)}. ${words} D: blue real, red fake.`;
      figure.setAttribute("aria-label", `${data.name} at step ${whole(frame.step)}: ${frames[current].fake ? "points of G over real ones; " : ""}${words}`);
    }
    const steps = frames.map((frame) => frame.step);
    const part = { figure, draw: paint, move: (step) => { const i = Math.max(0, at(steps, step)); if (i !== current) { current = i; paint(); } } };
    const series = (name) => ({ label: name, color: 0, steps, values: frames.map((frame) => (name === "modes hit" ? frame.hit.length : frame.good)) });
    const curves = data.centres.length ? [chart("Modes hit", [series("modes hit")], [steps[0], steps[steps.length - 1]], [["all", data.centres.length]], []),
      chart("Share of good points", [series("share")], [steps[0], steps[steps.length - 1]], [["all", 1]], [])] : [];
    const source = data.source ? [make("details", {}, make("summary", {}, "The program"), make("pre", {}, data.source))] : [];
    const nodes = [make("fieldset", { class: "layers" }, make("legend", {}, "Show"), ...boxes), figure, ...section("Curves", curves), ...source];
    return { steps, parts: [part, ...curves], nodes, head: [`${data.name}: ${whole(steps[steps.length - 1])} steps`] };
  }

  /* The slider moves everything. */
  let page, index = 0, playing = null;
  const slider = make("input", { type: "range", min: 0, value: 0, "aria-label": "step", oninput: () => { index = +slider.value; move(); } });
  const output = make("output", { "aria-live": "off" });
  const play = make("button", { onclick: () => (playing ? halt() : start()) }, "Play");

  function move() {
    const step = page.steps[index];
    slider.setAttribute("aria-valuetext", `step ${whole(step)}`);
    output.textContent = `step ${whole(step)}`;
    for (const part of page.parts) part.move(step);
  }

  function start() {
    if (index >= page.steps.length - 1) index = 0;
    const stride = Math.max(1, Math.round(page.steps.length / 200));
    play.textContent = "Pause";
    playing = setInterval(() => {
      index = Math.min(index + stride, page.steps.length - 1);
      slider.value = index;
      move();
      if (index >= page.steps.length - 1) halt();
    }, 60);
  }

  function halt() {
    clearInterval(playing);
    playing = null;
    play.textContent = "Play";
  }

  function go(step) {
    index = Math.max(0, at(page.steps, step));
    slider.value = index;
    move();
    slider.focus();
  }

  function show(data) {
    const followed = !page || index >= page.steps.length - 1, before = page ? page.steps[index] : 0;
    page = data.kind === "toy" ? toyPage(data) : runsPage(data, go);
    byId("head").replaceChildren(make("h1", {}, document.title), ...page.head.map((words) => make("p", { class: "soft" }, words)));
    byId("main").replaceChildren(...page.nodes);
    slider.max = page.steps.length - 1;
    index = followed ? page.steps.length - 1 : Math.max(0, at(page.steps, before));
    slider.value = index;
    for (const part of page.parts) part.draw();
    move();
  }

  let data = JSON.parse(byId("data").textContent), mark = null;
  byId("time").hidden = false;
  byId("time").replaceChildren(play, slider, output);
  show(data);

  const redraw = () => { for (const part of page.parts) part.draw(); move(); };
  let width = byId("main").clientWidth;
  new ResizeObserver(() => {
    if (byId("main").clientWidth === width) return;
    width = byId("main").clientWidth;
    requestAnimationFrame(redraw);
  }).observe(byId("main"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  /* A run that goes on: the server says whether anything is new; a notebook sends it. */
  async function poll() {
    try {
      const answer = await fetch("data.json", mark ? { headers: { "If-None-Match": mark } } : {});
      if (answer.status === 200) {
        mark = answer.headers.get("ETag");
        show(data = await answer.json());
      }
      if (output.title) output.title = "";
    } catch (error) {
      output.title = "the server has gone";
    }
    setTimeout(poll, 2000);
  }
  if (data.live === "poll") poll();
  if (data.live === "message") window.addEventListener("message", (event) => { if (event.data && event.data.minigan) show(event.data.minigan); });
})();

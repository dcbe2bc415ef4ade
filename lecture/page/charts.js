// The charts: rates, durations, who was busy, what nodes used.
"use strict";

// Of each node: what is measured, as people say it.
const USAGE = [
  ["cpu", "CPUs in use, by node", (value) => value.toFixed(1)],
  ["memory", "memory, by node", (value) => bytes(value)],
];

panels.charts = (state) => {
  const parts = [];
  for (const model of state.models) {
    const name = model.about.engine;
    if (model.tasks.length) {
      parts.push(chart(`${name}: tasks a second`, (area) =>
        drawRate(area, model)));
      parts.push(chart(`${name}: how long tasks took`, (area) =>
        drawDurations(area, model)));
      parts.push(chart(`${name}: who was busy, when`, (area) =>
        drawHeat(area, model)));
    }
    for (const what of new Set(curves(model).map((line) => line.what))) {
      const lines = linesOf(model, "curve", "value", (line) => line.name,
        (line) => line.what === what);
      parts.push(chart(`${name}: ${short(what, 30)}`, (area) =>
        drawLines(area, model.wall, lines, (v) => v.toPrecision(3))));
    }
    for (const game of model.lines.filter((line) => line.kind === "game")) {
      const title = `${name}: the newest game, ${game.value.toFixed(1)} points`;
      parts.push(chart(title, (area) => drawGame(area, game,
        `${name} ${model.about.program} ${game.at}`), "game"));
    }
    const nodeOf = (line) => model.nodes.get(line.node) || line.node;
    for (const [key, title, words] of USAGE) {
      const lines = linesOf(model, "usage", key, nodeOf);
      if (lines.length || model.nodes.size) parts.push(chart(
        `${name}: ${title}`, (area) => {
          drawLines(area, model.wall, lines, words);
          drawUntold(area, model, lines);
        }));
    }
  }
  return make("div", { class: "columns" }, ...parts);
};

function chart(title, draw, shape = "") {
  const canvas = make("canvas", { class: shape });
  const box = make("div", { class: "chart" }, make("h2", {}, title), canvas);
  requestAnimationFrame(() => {
    const size = canvas.getBoundingClientRect();
    const dots = window.devicePixelRatio || 1;
    canvas.width = size.width * dots;
    canvas.height = size.height * dots;
    const pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    const style = getComputedStyle(document.body);
    const share = document.body.classList.contains("big") ? 1 : 0.85;
    pen.font = `${parseFloat(style.fontSize) * share}px ${style.fontFamily}`;
    pen.fillStyle = style.getPropertyValue("--soft").trim();
    const tall = parseFloat(style.fontSize) * 1.2;
    draw({ pen, width: size.width, height: size.height - tall, tall,
      soft: pen.fillStyle, fore: style.getPropertyValue("--fore").trim() });
  });
  return box;
}

function bars(area, values, colour, left, right) {
  const { pen, width, height, tall, soft } = area;
  const most = Math.max(...values, 1), wide = width / values.length;
  pen.fillStyle = colour;
  values.forEach((value, i) => {
    const high = value / most * (height - tall);
    pen.fillRect(i * wide, height - high, Math.max(1, wide - 1), high);
  });
  pen.fillStyle = soft;
  pen.textBaseline = "top";
  pen.fillText(`most: ${most}`, 2, 0);
  pen.fillText(left, 2, height + 2);
  pen.fillText(right, width - pen.measureText(right).width - 2, height + 2);
}

function drawRate(area, model) {
  const values = new Array(60).fill(0);
  for (const task of model.tasks) {
    if (task.state !== "FINISHED") continue;
    const bar = Math.floor(task.end / model.wall * 60);
    values[Math.max(0, Math.min(59, bar))]++;
  }
  const unit = model.wall / 60, rates = values.map((n) =>
    Number((n / unit).toPrecision(2)));
  bars(area, rates, PALETTE[0], "0", `${seconds(model.wall)}; a bar is `
    + seconds(unit));
}

function drawDurations(area, model) {
  const spans = model.tasks.map((t) => Math.max(t.end - t.begin, 1e-6));
  if (!spans.length) return;
  const low = Math.floor(Math.log10(spans.reduce((a, b) => Math.min(a, b))));
  const high = Math.ceil(Math.log10(spans.reduce((a, b) => Math.max(a, b)))
    + 1e-9);
  const steps = Math.max(1, (high - low) * 5);
  const values = new Array(steps).fill(0);
  for (const span of spans) {
    const at = Math.floor((Math.log10(span) - low) * 5);
    values[Math.min(at, steps - 1)]++;
  }
  bars(area, values, PALETTE[2], seconds(10 ** low), seconds(10 ** high));
}

function drawHeat(area, model) {
  const { pen, width, height, tall, soft } = area, columns = 80;
  const lanes = model.lanes.filter((lane) => lane.tasks.length);
  const high = Math.min(height / Math.max(lanes.length, 1), 2 * tall);
  lanes.forEach((lane, row) => {
    const busy = new Array(columns).fill(0), unit = model.wall / columns;
    for (const task of lane.tasks) {
      const from = Math.max(0, Math.floor(task.begin / unit));
      for (let i = from; i < columns && i * unit < task.end; i++) {
        busy[i] += Math.min(task.end, (i + 1) * unit)
          - Math.max(task.begin, i * unit);
      }
    }
    busy.forEach((value, i) => {
      pen.globalAlpha = 0.08 + 0.92 * Math.min(1, value / unit);
      pen.fillStyle = PALETTE[5];
      pen.fillRect(i * width / columns, row * high, width / columns + 0.5,
        Math.max(1, high - 1));
    });
    pen.globalAlpha = 1;
  });
  pen.fillStyle = soft;
  pen.textBaseline = "top";
  const workers = lanes.length === 1 ? "1 worker" : `${lanes.length} workers`;
  pen.fillText(`${workers}, 0 to ${seconds(model.wall)}`, 2, height + 2);
}

// Texts [text, colour] above a chart, in as many rows as they need; tell how
// high they are.
function legend({ pen, width, tall }, texts) {
  let x = 2, y = 0;
  for (const [text, colour] of texts) {
    const wide = pen.measureText(`${text}  `).width;
    if (x > 2 && x + wide > width) [x, y] = [2, y + tall];
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
    x += wide;
  }
  return y + tall;
}

// Lines over time, one for each name: [[name, [[at, value], ...]], ...].
function drawLines(area, wall, lines, words) {
  const { pen, width, height, tall, soft } = area;
  const values = lines.flatMap(([, points]) => points.map(([, v]) => v));
  const most = values.reduce((a, b) => Math.max(a, b), 1e-9);
  const least = values.reduce((a, b) => Math.min(a, b), 0);
  const colour = (i) => PALETTE[i % PALETTE.length];
  pen.textBaseline = "top";
  const top = legend(area, [[`most: ${words(most)}`, soft],
    ...lines.map(([name], i) => [short(name, 24), colour(i)])]);
  lines.forEach(([, points], i) => {
    pen.strokeStyle = colour(i);
    pen.lineWidth = 2;
    pen.beginPath();
    points.forEach(([at, value], n) => {
      const px = at / wall * width, share = (value - least) / (most - least);
      const py = height - share * (height - top - 0.5 * tall);
      if (n) pen.lineTo(px, py);
      else pen.moveTo(px, py);
    });
    pen.stroke();
  });
  pen.fillStyle = soft;
  pen.fillText(`0 to ${seconds(wall)}`, 2, height + 2);
}

// A grey band: the time in which no node has told; and who tells nothing.
function drawUntold({ pen, width, height, tall, soft }, model, lines) {
  const firsts = new Map(lines.map(([name, [[at]]]) => [name, at]));
  const nodes = [...model.nodes.values()];
  const silent = nodes.filter((name) => !firsts.has(name));
  const first = Math.min(model.wall, ...nodes.filter((name) =>
    firsts.has(name)).map((name) => firsts.get(name)));
  pen.globalAlpha = 0.15;
  pen.fillStyle = soft;
  pen.fillRect(0, 3 * tall, first / model.wall * width, height - 3 * tall);
  pen.globalAlpha = 1;
  const who = silent.length < nodes.length ? short(silent.join(", "), 40)
    : model.about.engine;
  pen.textBaseline = "bottom";
  if (silent.length) pen.fillText(`not told by ${who}`, 4, height - 2);
}

function curves(model) {
  return model.lines.filter((line) => line.kind === "curve");
}

// What was measured, as lines: of each node its CPU, of each mode its loss.
function linesOf(model, kind, key, nameOf, wanted = () => true) {
  const found = new Map();
  for (const line of model.lines) {
    if (line.kind !== kind || line[key] == null || !wanted(line)) continue;
    const name = nameOf(line);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push([line.at, line[key]]);
  }
  return [...found].filter(([, points]) => points.length > 1);
}

function drawPath(area, model) {
  const { pen, width, height, tall, soft } = area;
  pen.textBaseline = "middle";
  let x = 2, y = 2;
  for (const kind of Object.keys(model.why.sums)) {
    const word = { compute: "compute", arguments: "arguments",
      worker: "waits for a worker", again: "lost", hop: "on its way",
      nested: "waits in get", results: "takes results", driver: "driver",
      between: "not told" }[kind];
    const wide = tall * 1.6 + pen.measureText(word).width;
    if (x + wide > width) [x, y] = [2, y + tall];
    pen.fillStyle = KIND_COLOURS[kind];
    pen.fillRect(x, y, tall * 0.7, tall * 0.7);
    pen.fillStyle = soft;
    pen.fillText(word, x + tall, y + tall * 0.4);
    x += wide;
  }
  const top = y + tall * 1.4;
  for (const part of model.why.parts) {
    const wide = (part.end - part.begin) / model.wall * width;
    pen.fillStyle = KIND_COLOURS[part.kind];
    pen.fillRect(part.begin / model.wall * width, top, Math.max(wide, 0.5),
      height - top);
  }
}

// Below the lanes: what is told, step by step, side by side, in charts.
"use strict";

// An element; texts stay texts, whatever is in them.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(
      key.slice(2), value);
    else element.setAttribute(key, value);
  }
  for (const child of children) {
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

function block(title, ...children) {
  return make("div", {}, make("h2", {}, title), ...children);
}

function swatch(name) {
  const element = make("span", { class: "swatch" });
  element.style.background = colourOf(name);
  return element;
}

function rows(pairs) {
  return make("table", {}, ...pairs.map(([name, value]) => make("tr", {},
    make("th", {}, name), make("td", {}, value ?? ""))));
}

// The tables of who has a part in an event; what has changed comes first.
function whoKnows(event, before, after) {
  const table = make("table", {}), rest = [];
  const gone = [...before.keys()].filter((key) => !after.has(key));
  for (const key of [...after.keys(), ...gone]) {
    const [of, name, kind] = key.split("\n"), own = OF_ALL.includes(of);
    const changed = before.get(key) !== after.get(key);
    if (!changed && !own && ![event.source, event.target].includes(of)) {
      continue;
    }
    const now = after.get(key) ?? (!own ? "gone" : of === "workers" ? "idle"
      : 0);
    const row = make("tr", changed ? { class: "changed" } : {},
      make("th", {}, of), make("td", {}, name),
      make("td", { class: "word" }, kind),
      make("td", own ? { class: "number" } : {}, now));
    if (changed) table.append(row);
    else rest.push(row);
  }
  table.append(...rest);
  return block("who knows what", table);
}

const OF_ALL = ["tasks", "workers", "messages"]; // known to no process alone

const panels = {
  lanes(state, page) {
    const names = new Map();
    for (const task of state.models.flatMap((model) => model.tasks)) {
      names.set(task.name, (names.get(task.name) || 0) + 1);
    }
    const legend = make("ul", {}, ...[...names].slice(0, 40).map(
      ([name, number]) => make("li", { onclick: () => page.search(name) },
        swatch(name), `${short(name, 80)} × ${number}`)));
    const story = make("ul", {}, ...state.models.flatMap((each) =>
      each.stories.slice(0, 200).map((line) => make("li",
        { class: line.what === "note" ? "soft" : "bad",
          onclick: () => page.goTo(each, line.at) },
        `${seconds(line.at)}  ${short(line.text, 400)}`))));
    const parts = [block("functions", legend)];
    parts.push(state.selected
      ? block("the task", taskTable(state.selected), sourceOf(state))
      : block("the task", make("div", { class: "soft" },
        "click one, or press n")));
    if (story.children.length) parts.push(block("what happened", story));
    const absent = state.models.flatMap((each) => (each.about.absent || [])
      .map((text) => `${each.about.engine}: ${text}`));
    if (absent.length) {
      parts.push(block("not told", make("div", { class: "soft long" },
        absent.join("\n"))));
    }
    return make("div", { class: "columns" }, ...parts);
  },

  step(state) {
    const model = state.model, event = model.events[state.step];
    if (!event) return make("div", {}, "nothing has happened in this run");
    const after = tablesAt(model, state.step);
    const told = `${state.step + 1} of ${model.events.length}, at `
      + seconds(event.at);
    return make("div", {},
      make("h2", { id: "event" }, short(event.text, 300), " ",
        make("span", { class: "soft" }, told)),
      make("div", { class: "stage" }, architecture(model, event, after),
        whoKnows(event, tablesAt(model, state.step - 1), after)),
      make("div", { class: "columns" },
        ...hopsOf(model, event).map((hop) => block(
          `${hop.side}: ${hop.place}`,
          hop.text ? make("pre", {}, hop.text) : "")),
        event.task ? block("the task", taskTable(event.task)) : ""));
  },

  compare(state) {
    if (state.models.length < 2) {
      return make("div", {}, "one run is here: give two, as in "
        + "minimr show one.jsonl other.jsonl");
    }
    const engines = new Set(state.models.map((m) => m.about.engine));
    const nameOf = (m) => short(engines.size < state.models.length
      ? m.about.program : m.about.engine, 40);
    const head = make("tr", {}, make("th", {}, ""), ...state.models.map(
      (m) => make("th", {}, nameOf(m))));
    const line = (name, value) => make("tr", {}, make("th", {}, name),
      ...state.models.map((m) => make("td", { class: "number" }, value(m))));
    const kinds = Object.keys(KIND_WORDS);
    const table = make("table", {}, head,
      line("wall time", (m) => seconds(m.wall)),
      line("tasks", (m) => m.tasks.length),
      line("attempts lost", (m) =>
        m.tasks.filter((t) => t.state === "DIED").length),
      line("workers", (m) => m.lanes.filter((l) => l.tasks.length).length),
      ...kinds.map((kind) => line(KIND_WORDS[kind],
        (m) => seconds(m.why.sums[kind] || 0))));
    const [a, b] = state.models, found = firstDifference(a, b);
    const words = found
      ? `${found[0]} tasks end alike. Then, in "${nameOf(a)}": `
        + `${short(found[1] || "the end")}; in "${nameOf(b)}": `
        + short(found[2] || "the end")
      : "the same tasks end, in the same order";
    const more = b.wall - a.wall;
    const cost = `the second took ${seconds(Math.abs(more))} `
      + `${more < 0 ? "less" : "more"} (${(b.wall / a.wall).toFixed(2)} ×)`;
    return make("div", { class: "columns" }, block("side by side", table),
      block("the first difference", make("div", { id: "difference",
        class: "long" }, words)), block("the cost", cost));
  },

  charts(state) {
    const parts = [];
    for (const model of state.models) {
      const name = model.about.engine;
      parts.push(chart(`${name}: tasks that ended per moment`, (area) =>
        drawRate(area, model)));
      parts.push(chart(`${name}: how long tasks took`, (area) =>
        drawDurations(area, model)));
      parts.push(chart(`${name}: who was busy, when`, (area) =>
        drawHeat(area, model)));
      if (model.lines.filter((line) => line.kind === "usage").length > 1) {
        parts.push(chart(`${name}: CPUs in use`, (area) =>
          drawUsage(area, model, "cpu", (v) => v.toFixed(1))));
        parts.push(chart(`${name}: memory`, (area) =>
          drawUsage(area, model, "memory", (v) =>
            `${(v / 2 ** 20).toFixed(0)} MiB`)));
      }
    }
    return make("div", { class: "columns" }, ...parts);
  },

  why(state) {
    const parts = [];
    for (const model of state.models) {
      const sums = Object.entries(model.why.sums).sort((a, b) => b[1] - a[1]);
      parts.push(chart(`${model.about.engine}: the longest chain of causes, `
        + `${seconds(model.wall)}`, (area) => drawPath(area, model)));
      parts.push(block("its parts", make("table", {}, ...sums.map(
        ([kind, took]) => make("tr", {},
          make("td", { class: "number" }, seconds(took)),
          make("td", { class: "number" },
            `${(100 * took / model.wall).toFixed(0)} %`),
          make("td", {}, KIND_WORDS[kind]))))));
      const found = model.why.findings.map((finding) => make("div",
        { class: "long" }, make("b", {}, `${finding.name}: `), finding.text));
      parts.push(block("what stands out", ...(found.length ? found
        : ["nothing"])));
    }
    return make("div", { class: "columns" }, ...parts);
  },

  code(state, page) {
    const pair = page.pairs[state.pair];
    if (!pair) return make("div", {}, "this page was made without code");
    const rows = state.part ? pair.steps[state.part - 1] : pair.rows;
    const head = pair.titles.map((title) => make("th", {}, title));
    const cell = (line, side) => make("td", {}, ...(line === null ? []
      : pair.lines[side][line].map(([style, text]) =>
        make("span", style ? { class: style } : {}, text))));
    const told = state.part ? `step ${state.part} of ${pair.steps.length}`
      : `all of it; right: step 1 of ${pair.steps.length}`;
    return make("div", {}, make("div", { class: "soft" }, told),
      make("table", { class: "code" }, make("tr", {}, ...head),
        ...rows.map((row) => make("tr", {}, ...row.map(cell)))));
  },
};

const KIND_WORDS = {
  compute: "tasks compute", arguments: "arguments come, and are read",
  worker: "waits for a worker", again: "done for nothing: its worker died",
  hop: "on its way between processes", driver: "the driver, between tasks",
};
const KIND_COLOURS = {
  compute: "#009e73", arguments: "#56b4e9", worker: "#e69f00",
  again: "#d55e00", hop: "#cc79a7", driver: "#8c8c8c",
};

function taskTable(task) {
  const span = (a, b) => a != null && b != null ? seconds(b - a) : "not told";
  return rows([
    ["function", make("span", { class: "long" }, swatch(task.name),
      short(task.name, 300))],
    ["id", short(task.id, 80)],
    ["state", task.state.toLowerCase()
      + (task.attempt ? `, attempt ${task.attempt + 1}` : "")],
    ["where", `${short(task.worker || "?", 60)} `
      + short(task.node || "", 20)],
    ["submitted", task.submitted != null ? seconds(task.submitted)
      : "not told"],
    ["until it was sent", span(task.submitted, task.sent)],
    ["on its way", span(task.sent, task.started)],
    ["arguments", span(task.started, task.loaded)],
    ["the call", span(task.loaded, task.executed)],
    ["result packed", span(task.executed, task.ended)],
    ["until its owner had it", span(task.ended, task.answered)],
    ["takes results of", (task.after || []).length],
  ]);
}

function sourceOf(state) {
  const source = state.model.sources.get(state.selected.name);
  if (!source || !source.text) return make("div", {});
  return make("div", {}, make("div", { class: "soft" },
    `${source.file}:${source.line}`), make("pre", {}, source.text));
}

// ---- charts ----

function chart(title, draw) {
  const canvas = make("canvas", {});
  const box = make("div", { class: "chart" }, make("h2", {}, title), canvas);
  requestAnimationFrame(() => {
    const size = canvas.getBoundingClientRect();
    const dots = window.devicePixelRatio || 1;
    canvas.width = size.width * dots;
    canvas.height = size.height * dots;
    const pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    const style = getComputedStyle(document.body);
    pen.font = `${parseFloat(style.fontSize) * 0.85}px ${style.fontFamily}`;
    pen.fillStyle = style.getPropertyValue("--soft").trim();
    const tall = parseFloat(style.fontSize) * 1.2;
    draw({ pen, width: size.width, height: size.height - tall, tall,
      soft: pen.fillStyle });
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
  bars(area, values, PALETTE[0], "0", `${seconds(model.wall)}; a bar is `
    + seconds(model.wall / 60));
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
  pen.fillText(`${lanes.length} workers, 0 to ${seconds(model.wall)}`, 2,
    height + 2);
}

function drawUsage(area, model, key, words) {
  const { pen, width, height, tall, soft } = area;
  const found = model.lines.filter((line) =>
    line.kind === "usage" && line[key] != null);
  const most = found.reduce((m, l) => Math.max(m, l[key]), 1e-9);
  pen.strokeStyle = PALETTE[0];
  pen.lineWidth = 2;
  pen.beginPath();
  found.forEach((line, i) => {
    const x = line.at / model.wall * width;
    const y = height - line[key] / most * (height - tall);
    if (i) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  });
  pen.stroke();
  pen.fillStyle = soft;
  pen.textBaseline = "top";
  pen.fillText(`most: ${words(most)}`, 2, 0);
  pen.fillText(`0 to ${seconds(model.wall)}`, 2, height + 2);
}

function drawPath(area, model) {
  const { pen, width, height, tall, soft } = area;
  for (const part of model.why.parts) {
    const x = part.begin / model.wall * width;
    const wide = (part.end - part.begin) / model.wall * width;
    pen.fillStyle = KIND_COLOURS[part.kind];
    pen.fillRect(x, tall * 2.4, Math.max(wide, 0.5), height - tall * 2.4);
  }
  pen.textBaseline = "middle";
  let x = 2, y = 2;
  for (const kind of Object.keys(model.why.sums)) {
    const word = { compute: "compute", arguments: "arguments",
      worker: "waits for a worker", again: "lost", hop: "on its way",
      driver: "driver" }[kind];
    const wide = tall * 1.6 + pen.measureText(word).width;
    if (x + wide > width) [x, y] = [2, y + tall];
    pen.fillStyle = KIND_COLOURS[kind];
    pen.fillRect(x, y, tall * 0.7, tall * 0.7);
    pen.fillStyle = soft;
    pen.fillText(word, x + tall, y + tall * 0.4);
    x += wide;
  }
}

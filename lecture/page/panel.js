// Below the lanes: what is told, step by step, side by side.
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
    const seen = own ? of === "tasks" // what workers do is in the drawing
      : [event.source, event.target].includes(of);
    if (!changed && !seen) continue;
    const now = after.get(key) ?? (!own ? "gone" : of === "workers" ? "idle"
      : 0);
    const row = make("tr", changed ? { class: "changed" } : {},
      make("th", { class: "word" }, of), make("td", {}, name),
      make("td", { class: "word" }, kind),
      make("td", own ? { class: "number" } : {}, now));
    if (changed) table.append(row);
    else rest.push([own ? "" : kind, name, row]);
  }
  rest.sort(([one, a], [two, b]) => byNumber(one, two) || byNumber(a, b));
  table.append(...rest.map(([, , row]) => row));
  return block("who knows what", table);
}

// What else could have happened here: buttons for other futures of a seed.
function futures(state, page) {
  const { events, about } = state.model, event = events[state.step];
  const known = events.slice(0, state.step + 1).findLast((each) =>
    each.entry !== undefined);
  if (!about.command || !known) return [];
  const choice = (words, change) => make("button", { class: "choice",
    onclick: () => page.branch(`${known.entry}:${change}`) }, words);
  const choices = [];
  for (const name of new Set([event.source, event.target])) {
    const process = state.model.processes.get(name);
    const lives = process && process.begin <= event.at
      && event.at < process.end;
    if (lives && !["driver", "head"].includes(process.role)) {
      choices.push(choice(`kill ${name} now`, `kill=${name}`));
    }
  }
  for (const other of event.message ? instead(events, state.step) : []) {
    choices.push(choice(`deliver ${other.text} first`,
      `first=${other.source}>${other.target}`));
  }
  return [block("another future", ...choices)];
}

// Messages that might come before that of a step: the next ones of others,
// but for what its receiver sends, which may be the answer to it.
function instead(events, step) {
  const { source, target } = events[step], found = new Map();
  for (const each of events.slice(step + 1)) {
    const same = each.source === source && each.target === target;
    if (!each.message || each.message.beat || same) continue;
    if (each.source === target || each.entry === events[step].entry) continue;
    const ends = `${each.source}\n${each.target}`;
    if (!found.has(ends)) found.set(ends, each);
    if (found.size === 3) break;
  }
  return [...found.values()];
}

const OF_ALL = ["tasks", "workers"]; // known to no process alone

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
      ? block("the task", taskTable(state.selected), mirrored(state, page),
        sourceOf(state))
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

  step(state, page) {
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
        ...futures(state, page),
        event.task ? block("the task", taskTable(event.task)) : ""));
  },

  compare(state, page) {
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
    const [a, b] = state.models;
    const other = b.about.command ? firstOther(a, b) : null;
    const found = other === null ? firstDifference(a, b) : null;
    const words = other !== null ? "" : found
      ? `${found[0]} tasks end alike. Then, in "${nameOf(a)}": `
        + `${short(found[1] || "the end")}; in "${nameOf(b)}": `
        + short(found[2] || "the end")
      : "the same tasks end, in the same order";
    const more = b.wall - a.wall;
    const cost = `the second took ${seconds(Math.abs(more))} `
      + `${more < 0 ? "less" : "more"} (${(b.wall / a.wall).toFixed(2)} ×)`;
    const there = other === null ? [] : [a, b].map((model) => make("li",
      { onclick: () => page.stepIn(model, other) }, `${nameOf(model)}: `,
      model.events[other] ? `step ${other + 1}, ${model.events[other].text}`
        : "the end"));
    return make("div", { class: "columns" }, block("side by side", table),
      block("the first difference", make("div", { id: "difference",
        class: "long" }, words, make("ul", {}, ...there))),
      block("the cost", cost));
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
        { class: "long" }, make("b", {}, `${finding.good ? "well done: " : ""}${finding.name}: `),
        finding.text));
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
  hop: "on its way between processes",
  nested: "a task waits in get for others",
  results: "the driver takes results", driver: "the driver's own code",
  between: "between tasks: nobody tells for what",
};
const KIND_COLOURS = {
  compute: "#009e73", arguments: "#56b4e9", worker: "#e69f00",
  again: "#d55e00", hop: "#cc79a7", nested: "#0072b2",
  results: "#f0e442", driver: "#8c8c8c", between: "#5c5c5c",
};

// A way to the step of a mirrored pair that has this function on both sides.
function mirrored(state, page) {
  const found = pairOf(page.pairs, state.selected.name);
  return found ? make("button", { class: "choice", onclick: () =>
    page.showPart(...found) }, "c: its lines, from scratch and on Ray") : "";
}

function pairOf(pairs, name) {
  const last = plain(name.split(".").at(-1));
  const made = (pair, rows, side) => rows.some((row) => row[side] !== null
    && pair.lines[side][row[side]].map(([, text]) => text).join("")
      .match(/^ *def _?(\w+?)(_task)?\(/)?.[1] === last);
  for (const [number, pair] of pairs.entries()) {
    const part = pair.steps.findIndex((rows) =>
      pair.lines.every((_, side) => made(pair, rows, side)));
    if (part >= 0) return [number, part + 1];
  }
  return null;
}

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

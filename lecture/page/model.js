// What is drawn: runs as Python wrote them, with lanes, rows and events.
"use strict";

// Of Okabe and Ito: colour-blind people can tell them apart.
const PALETTE = [
  "#0072b2", "#e69f00", "#009e73", "#cc79a7",
  "#56b4e9", "#d55e00", "#f0e442", "#8c8c8c",
];
const ID = 28; // letters of the id of a task: the id of a result is longer
const colours = new Map(); // {name of a function: its colour}

// The name that the engines have in common: "map" of "_map_task".
function plain(name) {
  return name.replace(/^_+/, "").replace(/_task$/, "");
}

function colourOf(name) {
  const key = plain(name);
  if (!colours.has(key)) {
    colours.set(key, PALETTE[colours.size % PALETTE.length]);
  }
  return colours.get(key);
}

function short(text, length = 60) {
  const line = String(text).replace(/\s+/g, " ");
  return line.length > length ? line.slice(0, length - 1) + "…" : line;
}

function seconds(s) {
  if (s === undefined || s === null) return "?";
  if (Math.abs(s) >= 1) return s.toFixed(2) + " s";
  if (Math.abs(s) >= 0.001) return (s * 1000).toFixed(1) + " ms";
  return (s * 1e6).toFixed(0) + " µs";
}

// The model of one run.
function modelOf(run) {
  const model = {
    about: run.about, states: run.states, why: run.why, hops: run.hops,
    lines: run.lines,
    wall: Math.max(run.about.wall_s || 0, 1e-6), tasks: run.tasks,
    messages: [], lanes: [], byId: new Map(), events: [], stories: [],
    sources: new Map(),
  };
  const lanes = new Map();
  const lane = (node, worker) => {
    const key = `${node || ""}\n${worker || ""}`;
    if (!lanes.has(key)) {
      lanes.set(key, {
        node: node || "", worker: worker || "?", tasks: [], rows: [],
        spans: [], marks: [],
      });
    }
    return lanes.get(key);
  };
  model.nodes = new Map();
  model.questions = run.lines.filter((line) => line.kind === "question")
    .sort((a, b) => a.at - b.at);
  for (const line of run.lines) {
    if (line.kind === "node") model.nodes.set(line.id, line.name || line.id);
    if (line.kind === "source") model.sources.set(line.name, line);
    if (line.kind === "process") {
      lane("", line.name).spans.push(
        { begin: line.begin, end: line.end ?? model.wall, what: "lives" });
    }
    if (line.kind === "wait") {
      lane(line.node, line.worker).spans.push({ ...line, what: "get" });
    }
    if (line.kind === "object" || line.kind === "constructor") {
      lane(line.node, line.worker).spans.push({ ...line, what: line.name });
    }
  }
  for (const task of model.tasks) {
    colourOf(task.name);
    task.lane = lane(task.node, task.worker);
    task.lane.tasks.push(task);
    if (!model.byId.has(task.id)) model.byId.set(task.id, []);
    model.byId.get(task.id).push(task);
  }
  model.lanes = [...lanes.values()].sort((a, b) =>
    a.node.localeCompare(b.node) || byNumber(a.worker, b.worker));
  const marks = model.tasks.filter((task) => task.submitted != null
    && !task.attempt && !model.byId.has(task.parent || ""));
  if (marks.length) {
    model.driver = { node: "", worker: "driver", tasks: [], rows: [],
      spans: [], marks };
    model.lanes.unshift(model.driver);
  }
  for (const each of model.lanes) placeInRows(each);
  model.rung = run.about.rung || run.about.engine;
  model.processes = processesOf(model);
  model.actors = actorsOf(model);
  addEvents(model, run.lines);
  model.critical = new Set(run.why.parts.map((part) => part.task));
  return model;
}

// The actors in each worker: {worker: [{at, name}, ...]}.
function actorsOf(model) {
  const found = new Map();
  const add = (worker, at, name) => found.set(worker,
    [...(found.get(worker) || []), { at, name }]);
  for (const line of model.lines) {
    if (line.kind === "constructor") {
      add(line.worker, line.begin, line.name.replace(/\.__init__$/, ""));
    }
    if (line.kind === "message" && line.name === "Become") {
      add(line.target, line.at, "actor");
    }
  }
  return found;
}

function byNumber(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

// Tasks that overlap, as those of an actor with threads, get rows of a lane.
function placeInRows(lane) {
  const ends = [];
  for (const task of lane.tasks) { // sorted by their beginning
    let row = ends.findIndex((end) => end <= task.begin + 1e-6);
    if (row < 0) row = ends.length < 8 ? ends.push(0) - 1 : 7;
    ends[row] = Math.max(ends[row] || 0, task.end);
    task.row = row;
  }
  lane.height = Math.max(1, ends.length);
}

// What happens, in order: the steps.
function addEvents(model, lines) {
  const events = model.events;
  const driver = ([...model.processes.values()].find((each) =>
    each.role === "driver") || { name: "driver" }).name;
  const add = (at, what, task, text, source, target) => {
    if (at !== undefined && at !== null) {
      events.push({ at, what, task, text, source, target });
    }
  };
  for (const task of model.tasks) {
    const who = task.worker || "a worker";
    const parent = model.byId.get(task.parent || "");
    const from = parent ? parent[0].worker || "a worker" : driver;
    const call = `${short(task.name, 40)}()`;
    if (!task.attempt) {
      add(task.submitted, "submitted", task,
        `${from} submits ${call}`, from, from);
    }
    add(task.sent, "sent", task, `${from} → ${who}: run ${call}`, from, who);
    add(task.started, "started", task,
      `${who} reads the arguments of ${call}`, who, who);
    if (task.state !== "DIED") {
      add(task.loaded, "loaded", task, `${who} calls ${call}`, who, who);
      add(task.executed, "executed", task,
        `${who} packs what ${call} returned`, who, who);
    }
    const done = { DIED: "dies with its worker", FAILED: "has failed",
      CANCELLED: "was cancelled", FINISHED: "is done" }[task.state];
    if (done && task.answered == null) {
      add(task.end, task.state === "DIED" ? "died" : "answered", task,
        `${call} ${done} in ${who}`, who, from);
    }
    add(task.answered, "answered", task,
      `${who} → ${from}: ${call} ${done}`, who, from);
  }
  for (const line of lines) {
    if (line.kind === "message") {
      model.messages.push(line);
      const task = model.byId.get((line.id || "").slice(0, ID)) || [];
      const call = task.length ? ` ${short(task[0].name, 40)}()` : "";
      add(line.at, "message", null,
        `${line.source} → ${line.target}: ${short(line.name, 60)}${call}`,
        line.source, line.target);
      Object.assign(events.at(-1), { message: line, entry: line.entry,
        name: line.name + call });
    }
    if (line.kind === "story") {
      if (line.what !== "log") model.stories.push(line);
      add(line.at, line.what || "told", null, line.text, line.worker,
        line.worker);
      events.at(-1).entry = line.entry;
    }
    if (line.kind === "knows") learn(model, line);
  }
  const order = ["submitted", "sent", "started", "loaded", "executed", "died",
    "answered"];
  const rank = (e) => order.indexOf(e.what);
  events.sort((a, b) => a.at - b.at || rank(a) - rank(b));
  model.stories.sort((a, b) => a.at - b.at);
}

// What a process knows now belongs to the event that has taught it.
function learn(model, line) {
  let event = model.events.at(-1);
  if (!event || event.task || event.at !== line.at) {
    const who = line.process;
    event = { at: line.at, what: "knows", source: who, target: who,
      text: `${who} changes its tables` };
    model.events.push(event);
  }
  event.learned = [...(event.learned || []), line];
}

// The tables after an event: they depend on the events before it alone.
function tablesAt(model, step) {
  const states = new Map(); // {task: [its state, the worker]}
  const known = new Map();
  const next = { submitted: "waits", sent: "sent", started: "reads",
    loaded: "runs", executed: "returns", died: "died" };
  for (let i = 0; i <= step && i < model.events.length; i++) {
    const event = model.events[i];
    for (const { process, table, now } of event.learned || []) {
      for (const [key, text] of Object.entries(now)) {
        const row = `${process}\n${short(key, 60)}\n${table}`;
        if (text) known.set(row, short(text, 80));
        else known.delete(row);
      }
    }
    if (!event.task) continue;
    const done = event.what === "answered";
    const state = done ? event.task.state.toLowerCase() : next[event.what];
    states.set(event.task.id, [state, event.task]);
  }
  const counts = new Map(), running = new Map();
  for (const [state, task] of states.values()) {
    const key = `${short(task.name, 40)}\n${state}`;
    counts.set(key, (counts.get(key) || 0) + 1);
    if (["sent", "reads", "runs", "returns"].includes(state)) {
      const who = task.worker || "?";
      const what = `${short(task.name, 40)}() ${state}`;
      running.set(who, running.has(who)
        ? [running.get(who)[0], running.get(who)[1] + 1] : [what, 0]);
    }
  }
  const rows = new Map();
  for (const key of [...counts.keys()].sort()) {
    rows.set(`tasks\n${key}`, counts.get(key));
  }
  for (const key of [...running.keys()].sort(byNumber)) {
    const [what, more] = running.get(key);
    rows.set(`workers\n${key}\n`, more ? `${what}, and ${more} more` : what);
  }
  for (const [key, text] of known) rows.set(key, text);
  return rows;
}

// The functions behind an event: of a message, who sends it, who takes it.
function hopsOf(model, event) {
  if (!event.message) return model.hops[event.what] || [];
  const role = (name) => (model.processes.get(name) || {}).role || "driver";
  const ends = `${role(event.source)} ${role(event.target)}`;
  return model.hops[`${event.message.name} ${ends}`] || [];
}

// Why a worker does nothing between two tasks.
function gapCause(model, before, after) {
  if (!after) return "";
  if (after.attempt && model.byId.get(after.id).length > 1) {
    return "again: an attempt was lost";
  }
  let late = null;
  for (const id of after.after || []) {
    for (const task of model.byId.get(id) || []) {
      if (task.end <= after.end && (!late || task.end > late.end)) late = task;
    }
  }
  const from = before ? before.end : 0;
  if (late && late.end > from) return `waits for ${short(late.name, 20)}()`;
  if (after.submitted > from) return "nothing to run";
  if (after.sent > from) return "not sent yet";
  return "on its way";
}

// The first step in which two futures of one seed differ.
function firstOther(a, b) {
  const most = Math.max(a.events.length, b.events.length);
  for (let i = 0; i < most; i++) {
    const [one, two] = [a.events[i], b.events[i]];
    if (!one || !two || one.text !== two.text || one.at !== two.at) return i;
  }
  return null;
}

// The first end of a task in which two runs differ.
function firstDifference(a, b) {
  const told = (m) => m.events
    .filter((e) => e.task && ["died", "answered"].includes(e.what))
    .map((e) => `${plain(e.task.name)}() ${e.task.state.toLowerCase()}`);
  const left = told(a), right = told(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if (left[i] !== right[i]) return [i, left[i], right[i]];
  }
  return null;
}

// Live: the buttons of the stage, and what there is now.
"use strict";

const ARMED_MS = 4000; // after a first press, for the second one

// A row of buttons. A press asks once more: the second one does it.
const stage = {
  buttons: new Map(), // {verb and target: its element}
  state: {},
  busy: false,

  // What came from the server. Elements stay, so that a click finds them.
  show(told, page) {
    this.page = page;
    this.state = told.state || {};
    this.said = this.said || make("span", { id: "said", role: "status" });
    const row = document.getElementById("stage");
    const wanted = (told.buttons || []).map(([verb, target, about]) =>
      ({ verb, target, about, key: `${verb}\n${target}` }));
    const before = [...this.buttons.keys()].join("\n\n");
    if (before !== wanted.map((each) => each.key).join("\n\n")) {
      const old = this.buttons;
      this.buttons = new Map(wanted.map((each) =>
        [each.key, old.get(each.key) || this.make(each)]));
      row.replaceChildren(...this.buttons.values(), this.said);
    }
    for (const { key, about } of wanted) this.buttons.get(key).title = about;
    row.hidden = !wanted.length;
  },

  make({ verb, target }) {
    const words = short(`${verb} ${target}`, 60);
    const button = make("button", { onclick: () => {
      if (button.className !== "armed") {
        button.className = "armed";
        button.textContent = `${words}: sure?`;
        button.timer = setTimeout(() => this.calm(button, words), ARMED_MS);
      } else {
        this.calm(button, words);
        this.press(verb, target);
      }
    } }, words);
    return button;
  },

  calm(button, words) {
    clearTimeout(button.timer);
    button.className = "";
    button.textContent = words;
  },

  // Have the server do what a button says; tell whether it has.
  async press(verb, target) {
    let done = false;
    this.say(`${verb} ${target} ...`);
    for (const each of this.buttons.values()) each.disabled = true;
    try {
      const answer = await fetch(`press${location.search}`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ verb, target }),
      });
      const text = await answer.text();
      done = answer.ok;
      this.say(answer.ok ? JSON.parse(text).story : `refused: ${text}`);
    } catch (error) {
      this.say("nobody answers: the page's server has ended");
    }
    for (const each of this.buttons.values()) each.disabled = false;
    return done;
  },

  say(text) {
    this.said.textContent = short(text, 300);
  },

  focus() {
    const [first] = this.buttons.values();
    if (first) first.focus();
  },
};

// ---- what there is now ----

panels.now = (state) => {
  const now = stage.state, model = state.models.at(-1);
  const nodes = new Map((now.nodes || []).map((node) => [node.id, node.name]));
  const nodeOf = (row) => short(nodes.get(row.node) || row.node || "here", 24);
  const actors = model.lines.filter((line) => line.kind === "actor");
  const failed = model.tasks.filter((task) =>
    ["FAILED", "DIED"].includes(task.state));
  const used = new Map(model.lines.filter((line) => line.kind === "usage")
    .map((line) => [line.node, line])); // {node: its last one}
  return make("div", { class: "columns wide" },
    block("nodes", ...(now.nodes || []).map((node) =>
      nodeTable(node, used.get(node.id)))),
    listing("workers", ["process", "node", "state", "runs"],
      (now.workers || []).map((row) => [row.pid, nodeOf(row),
        row.state.toLowerCase(), short(row.runs, 40)])),
    listing("tasks", ["function", "state", "number"],
      model.states.map(([name, what, number]) =>
        [short(name, 40), what.toLowerCase(), number])),
    listing("actors", ["class", "state", "restarts", "why"],
      actors.map((row) => [short(row.name || row.class, 40),
        row.state.toLowerCase(), row.restarts, short(row.why || "", 80)])),
    listing("objects", ["id", "node", "size", "state"],
      (now.objects || []).map((row) => [short(row.id, 14), nodeOf(row),
        bytes(row.size), row.state.toLowerCase()])),
    block("prints", ...(now.prints || []).map((row) => make("div", {},
      make("div", { class: "soft" }, `process ${row.pid}`),
      make("pre", {}, row.text)))),
    listing("errors", ["when", "what"], [
      ...failed.map((task) => [task.end,
        `${short(task.name, 60)}() ${task.state.toLowerCase()}`]),
      ...model.stories.map((line) => [line.at, short(line.text, 300)]),
    ].sort((a, b) => b[0] - a[0]).slice(0, 100).map(([at, text]) =>
      [seconds(at), text])));
};

// What of a node's resources is in use.
function nodeTable(node, used) {
  const names = Object.keys(node.total).filter((name) =>
    !name.startsWith("node:")).sort();
  const size = (name, value) => /memory/.test(name) ? bytes(value)
    : Number(value.toFixed(2));
  const busy = used ? `, ${used.cpu.toFixed(1)} CPUs, `
    + bytes(used.memory) : "";
  const title = `${short(node.name, 30)} ${node.state.toLowerCase()}${busy}`;
  return make("div", {}, make("div", { class: "soft" }, title),
    make("table", {}, ...names.map((name) => {
      const all = node.total[name], free = node.available[name] || 0;
      const part = make("span", {}), share = make("span", { class: "share" },
        part);
      part.style.width = `${100 * (all - free) / (all || 1)}%`;
      const words = short(name.replace(/_memory$/, "").replace(/_/g, " "), 24);
      return make("tr", {}, make("th", { class: "word" }, words),
        make("td", {}, share), make("td", { class: "number" },
          `${size(name, all - free)} of ${size(name, all)}`));
    })));
}

function listing(title, heads, rows) {
  if (!rows.length) return block(title, make("div", { class: "soft" },
    "none"));
  return block(title, make("table", {},
    make("tr", {}, ...heads.map((head) =>
      make("th", { class: "word" }, head))),
    ...rows.map((row) => make("tr", {}, ...row.map((value) =>
      make("td", { class: typeof value === "number" ? "number"
        : String(value).length < 32 ? "word" : "" }, value ?? ""))))));
}

function bytes(size) {
  if (size < 1e3) return `${size} B`;
  const unit = size >= 1e9 ? [1e9, "GB"] : size >= 1e6 ? [1e6, "MB"]
    : [1e3, "kB"];
  return `${(size / unit[0]).toFixed(1)} ${unit[1]}`;
}

// The page: what is shown, the keys, the pointer, and what comes in live.
"use strict";

const TABS = ["lanes", "step", "compare", "charts", "why", "code"];
const KEYS = [
  ["1 to 6", "lanes, step by step, side by side, charts, why, code"],
  ["+ and -, wheel", "zoom in, zoom out"],
  ["arrows, drag", "left and right in time; step, code: back and forward"],
  ["0", "all of it"],
  ["space", "step: play, and stop"],
  ["[ and ]", "play slower and faster, from 0.05 to 10 times"],
  ["Home, End", "step, code: to the first, to the last"],
  ["q", "the next question: predict, then Enter"],
  ["h", "step: stop at heartbeats as well"],
  ["n and N", "select the next task, the one before"],
  ["c", "the lines of the selected task, from scratch and on Ray"],
  ["/", "search a function, an id, a worker; Enter: to the first"],
  ["r", "step through the other run; code: the other pair"],
  ["p", "for the projector: large letters"],
  ["d", "dark and light"],
  ["7, b", "live: what there is now; the buttons"],
  ["?", "these keys"],
];

const page = {
  state: { models: [], model: null, tab: "lanes", from: 0, to: 1, wall: 1,
    step: 0, selected: null, find: "", playing: false, speed: 1,
    pair: 0, part: 0 },

  start() {
    this.state.dark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.lanes = new Lanes(document.getElementById("lanes"), this.state);
    const data = JSON.parse(document.getElementById("data").textContent);
    this.live = data.live;
    if (this.live) TABS.push("now");
    this.pairs = data.pairs;
    this.load(data.runs);
    stage.show(data, this);
    if (this.state.models.every((m) => !m.events.length && curves(m).length)) {
      this.state.tab = "charts";
    }
    this.fromHash();
    this.buildTabs();
    this.listen();
    this.refresh();
    if (this.live) setTimeout(() => this.poll(), 1000);
  },

  load(runs) {
    const state = this.state, all = state.to >= state.wall * 0.999;
    const chosen = state.selected && state.selected.id;
    const number = Math.max(0, state.models.indexOf(state.model));
    state.models = runs.map(modelOf);
    state.model = state.models[number] || state.models[0];
    state.wall = Math.max(...state.models.map((m) => m.wall));
    if (all) this.whole();
    state.selected = chosen
      ? (state.model.byId.get(chosen) || [null]).at(-1) : null;
    const names = state.models.map((m) =>
      `${m.about.program} on ${m.about.engine}`);
    document.getElementById("title").textContent =
      short(names.join(" | "), 200);
    document.title = short(names.join(" | "), 100);
  },

  whole() {
    this.state.from = -this.state.wall * 0.01;
    this.state.to = this.state.wall * 1.02;
  },

  // ---- what is shown ----

  buildTabs() {
    const words = { lanes: "lanes", step: "step by step",
      compare: "side by side", charts: "charts", why: "why",
      code: "code", now: "now" };
    document.getElementById("tabs").replaceChildren(...TABS.map((tab) =>
      make("button", { id: `tab-${tab}`, onclick: () => this.show(tab) },
        words[tab])));
  },

  show(tab) {
    this.state.tab = tab;
    this.refresh();
  },

  refresh() {
    const state = this.state;
    document.body.className = [state.dark ? "dark" : "",
      state.big ? "big" : "",
      state.tab === "step" ? "stepping" : "",
      ["charts", "code", "now"].includes(state.tab) ? "whole" : ""].join(" ");
    for (const tab of TABS) {
      document.getElementById(`tab-${tab}`).className =
        tab === state.tab ? "on" : "";
    }
    const panel = document.getElementById("panel");
    panel.replaceChildren(panels[state.tab](state, this));
    this.lanes.resize();
    this.draw();
    this.toHash();
  },

  // At most once a frame, however many moves of the pointer come in it.
  drawSoon() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      this.draw();
    });
  },

  draw() {
    this.lanes.draw();
    const state = this.state, event = state.model.events[state.step];
    const speed = state.playing ? ` ▶ ×${state.speed}` : "";
    document.getElementById("clock").textContent =
      state.tab === "step" && event ? seconds(event.at) + speed : "";
  },

  // ---- links: #view=step&t=0.25 ----

  toHash() {
    const state = this.state, event = state.model.events[state.step];
    const parts = [`view=${state.tab}`];
    const { seed } = state.model.about;
    if (seed !== undefined) parts.push(`seed=${Number(seed)}`);
    if (state.tab === "step" && event) parts.push(`t=${event.at}`,
      `event=${state.step}`, `run=${state.models.indexOf(state.model)}`);
    if (state.tab === "code") parts.push(`pair=${state.pair}`,
      `part=${state.part}`);
    history.replaceState(null, "", `#${parts.join("&")}`);
  },

  fromHash() {
    const told = new URLSearchParams(location.hash.slice(1));
    const state = this.state;
    if (TABS.includes(told.get("view"))) state.tab = told.get("view");
    const named = told.has("run") ? state.models[Number(told.get("run"))]
      : state.models.find((m) => String(m.about.seed) === told.get("seed"));
    state.model = named || state.model;
    if (told.has("event") && !told.has("view")) state.tab = "step";
    this.turn(Number(told.get("pair")) || 0, Number(told.get("part")) || 0);
    if (told.has("event")) this.setStep(Number(told.get("event")) || 0);
    else if (told.has("t")) {
      this.setStep(state.model.events.findIndex((e) =>
        e.at >= Number(told.get("t"))));
      if (!told.has("view")) state.tab = "step";
    }
    if (told.has("dark")) state.dark = told.get("dark") !== "0";
    if (told.has("big")) state.big = told.get("big") !== "0";
  },

  // ---- steps ----

  setStep(step) {
    const last = this.state.model.events.length - 1;
    this.state.step = Math.max(0, Math.min(last, step));
    const event = this.state.model.events[this.state.step];
    if (event && (event.at < this.state.from || event.at > this.state.to)) {
      this.lanes.pan(event.at - (this.state.from + this.state.to) / 2);
    }
  },

  stepTo(step) {
    this.state.tab = "step";
    this.setStep(step);
    this.refresh();
  },

  // Part 0 of a pair of files is all of it, part 1 its step [1].
  turn(pair, part) {
    const there = Math.max(0, Math.min(this.pairs.length - 1, pair));
    const steps = this.pairs.length ? this.pairs[there].steps.length : 0;
    this.state.pair = there;
    this.state.part = Math.max(0, Math.min(steps, part));
  },

  // Left and right, in what the view goes through.
  go(by) {
    const state = this.state;
    if (state.tab === "step") {
      const step = this.nextStep(by);
      this.stepTo(by > 0 ? quiz.stop(state.model, state.step, step) : step);
    }
    else if (state.tab === "code") this.goPart(state.pair, state.part + by);
    else this.lanes.pan(by * (state.to - state.from) * 0.15);
  },

  // To the moment of the next question, and then to the first one again.
  nextQuestion() {
    const { model } = this.state, all = model.questions;
    if (!all.length) return;
    const next = all.find((each) => !quiz.asked.has(each.text));
    if (!next) quiz.asked.clear();
    const { at } = next || all[0];
    this.stepTo(Math.max(0, model.events.findLastIndex((e) => e.at < at)));
    quiz.ask(next || all[0]);
    this.draw();
  },

  // The next step that says more than that somebody lives.
  nextStep(by) {
    const events = this.state.model.events;
    let step = this.state.step + by;
    while (!this.state.beats && events[step] && events[step].message
      && events[step].message.beat) step += by;
    return step;
  },

  stepIn(model, step) {
    this.state.model = model;
    this.stepTo(step);
  },

  // Another future of a run: its server plays it, or the command does.
  async branch(change) {
    const { about } = this.state.model;
    if (location.protocol === "file:") {
      const safe = [about.command, change].every((text) =>
        /^[\w .\/:=>+-]*$/.test(text)); // a person may paste it
      this.tell("another future", safe
        ? `${about.command} --branch '${change}'`
        : "its names are not fit for a command");
      return;
    }
    if (!await stage.press("branch", change)) {
      this.tell("no other future", stage.said.textContent);
      return;
    }
    await this.look();
    this.state.model = this.state.models.at(-1);
    this.show("compare");
  },

  tell(title, text) {
    const dialog = document.getElementById("keys");
    dialog.replaceChildren(make("h2", {}, title), make("pre", {}, text));
    dialog.showModal();
  },

  goPart(pair, part) {
    this.turn(pair, part);
    this.refresh();
    document.getElementById("panel").scrollTop = 0;
  },

  showPart(pair, part) {
    this.state.tab = "code";
    this.goPart(pair, part);
  },

  goTo(model, at) {
    this.state.model = model;
    this.stepTo(model.events.findIndex((event) => event.at >= at));
  },

  // Moments of the run pass as they did, times the speed.
  play() {
    const state = this.state;
    state.playing = !state.playing;
    const events = state.model.events;
    let at = events[state.step] ? events[state.step].at : 0, last = null;
    const next = (now) => {
      if (!state.playing) return;
      if (last !== null) at += (now - last) / 1000 * state.speed;
      last = now;
      let step = state.step;
      while (step + 1 < events.length && events[step + 1].at <= at) step++;
      step = quiz.stop(state.model, state.step, step);
      const over = step === events.length - 1 || quiz.question;
      if (over) state.playing = false;
      if (over || step !== state.step) { // else nothing has changed
        this.setStep(step);
        this.refresh();
      }
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
    this.refresh();
  },

  // ---- the pointer and the keys ----

  search(text) {
    this.state.find = String(text).toLowerCase();
    document.getElementById("find").value = short(text, 200);
    this.draw();
  },

  select(task, model) {
    this.state.selected = task;
    if (model) this.state.model = model;
    if (task) {
      const { from, to } = this.state;
      if (task.end < from || task.begin > to) {
        this.lanes.pan(task.begin - (from + to) / 2);
      }
    }
    this.refresh();
  },

  selectNext(by) {
    const { model, selected, find } = this.state;
    const found = model.tasks.filter((t) => !find || matches(t, find));
    const at = found.indexOf(selected);
    const first = by > 0 ? 0 : found.length - 1;
    this.select(found[at < 0 ? first : at + by] || found[first] || null);
  },

  listen() {
    const canvas = this.lanes.canvas, find = document.getElementById("find");
    addEventListener("resize", () => this.refresh());
    document.addEventListener("keydown", (event) => this.key(event));
    find.addEventListener("input", () => this.search(find.value));
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { find.blur(); this.selectNext(1); }
      if (event.key === "Escape") { this.search(""); find.blur(); }
      event.stopPropagation();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey) {
        const room = Math.max(0, this.lanes.content - this.lanes.height);
        this.lanes.scroll = Math.max(0, Math.min(room,
          this.lanes.scroll + event.deltaY));
      } else {
        this.lanes.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, event.offsetX);
      }
      this.drawSoon();
    }, { passive: false });
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        const by = this.lanes.t(drag.x) - this.lanes.t(event.offsetX);
        drag.moved = drag.moved || Math.abs(event.offsetX - drag.x) > 3;
        if (drag.moved) { drag.x = event.offsetX; this.lanes.pan(by); }
        this.drawSoon();
      }
      this.tip(event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) {
        const what = this.lanes.at(event.offsetX, event.offsetY);
        this.select(what && what.task || null, what && what.model);
      }
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => this.tip(-1, -1));
  },

  tip(x, y) {
    const what = this.lanes.at(x, y), tip = document.getElementById("tip");
    tip.hidden = !what;
    if (!what) return;
    if (what.story) tip.textContent = short(what.story.text, 500);
    else if (what.span) {
      tip.textContent = `${short(what.span.what, 200)}, `
        + seconds(what.span.end - what.span.begin);
    } else if (what.group && what.group.tasks.length > 1) {
      tip.textContent = `${what.group.tasks.length} tasks: zoom in`;
    } else {
      const task = what.task;
      tip.textContent = `${short(task.name, 200)}(), `
        + `${seconds(task.end - task.begin)}, ${task.state.toLowerCase()}`;
    }
    tip.style.left = `${Math.min(x + 14, this.lanes.width * 0.6)}px`;
    tip.style.top = `${y + 14}px`;
  },

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (quiz.question) {
      quiz.key(event);
      this.draw();
      return;
    }
    const state = this.state, code = state.tab === "code";
    const keys = {
      "+": () => this.lanes.zoom(1 / 1.5), "=": () => this.lanes.zoom(1 / 1.5),
      "-": () => this.lanes.zoom(1.5), "0": () => this.whole(),
      ArrowLeft: () => this.go(-1), ArrowRight: () => this.go(1),
      Home: () => code ? this.goPart(state.pair, 0) : this.stepTo(0),
      End: () => code ? this.goPart(state.pair, Infinity)
        : this.stepTo(state.model.events.length - 1),
      " ": () => { state.tab = "step"; this.play(); },
      "[": () => { state.speed = Math.max(0.05, state.speed / 2); },
      "]": () => { state.speed = Math.min(10, state.speed * 2); },
      n: () => this.selectNext(1), N: () => this.selectNext(-1),
      "/": () => document.getElementById("find").focus(),
      r: () => {
        if (code) {
          this.goPart((state.pair + 1) % this.pairs.length, 0);
          return;
        }
        const at = state.models.indexOf(state.model);
        state.model = state.models[(at + 1) % state.models.length];
        this.setStep(state.step);
        this.refresh();
      },
      c: () => {
        const found = state.selected
          && pairOf(this.pairs, state.selected.name);
        if (found) this.showPart(...found);
      },
      q: () => this.nextQuestion(),
      h: () => { state.beats = !state.beats; },
      b: () => stage.focus(),
      p: () => { state.big = !state.big; this.refresh(); },
      d: () => { state.dark = !state.dark; this.refresh(); },
      "?": () => this.showKeys(),
      Escape: () => this.select(null),
    };
    TABS.forEach((tab, i) => { keys[i + 1] = () => this.show(tab); });
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    this.draw();
  },

  showKeys() {
    const dialog = document.getElementById("keys");
    if (dialog.open) { dialog.close(); return; }
    dialog.replaceChildren(make("h2", {}, "keys"), rows(KEYS));
    dialog.showModal();
  },

  // ---- live ----

  // Take what the server has now.
  async look() {
    const answer = await fetch(`runs.json${location.search}`);
    if (!answer.ok) { // it says why
      document.getElementById("clock").textContent =
        short(await answer.text(), 60);
      return;
    }
    const told = await answer.json();
    this.live = told.live;
    this.load(told.runs);
    stage.show(told, this);
  },

  async poll() {
    try {
      await this.look();
      if (!this.state.playing) this.refresh();
    } catch (error) {
      this.live = false;
      document.getElementById("clock").textContent = "the run has ended";
    }
    if (this.live) setTimeout(() => this.poll(), 1000);
  },
};

page.start();

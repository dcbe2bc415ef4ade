// The lanes: one time axis, a lane for each worker, all runs below each other.
"use strict";

const LABEL = 18; // width of the names, in letters

class Lanes {
  constructor(canvas, state) {
    this.canvas = canvas;
    this.state = state; // from, to, selected, step, find: of the whole page
    this.scroll = 0;
    this.boxes = []; // [x, y, width, height, what], for the pointer
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const dots = window.devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    this.canvas.width = Math.round(box.width * dots);
    this.canvas.height = Math.round(box.height * dots);
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(dots, 0, 0, dots, 0, 0);
    const style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.size = parseFloat(style.fontSize);
    this.font = style.fontFamily;
    this.colours = {
      back: colour("--back"), fore: colour("--fore"), soft: colour("--soft"),
      line: colour("--line"), panel: colour("--panel"), bad: colour("--bad"),
    };
    this.left = Math.min(this.width * 0.3, this.size * LABEL * 0.62);
  }

  x(t) {
    const { from, to } = this.state;
    return this.left + (t - from) / (to - from) * (this.width - this.left);
  }

  t(x) {
    const { from, to } = this.state;
    return from + (x - this.left) / (this.width - this.left) * (to - from);
  }

  zoom(factor, x = this.width / 2) {
    const { from, to } = this.state, at = this.t(x);
    const span = Math.max(1e-6, Math.min((to - from) * factor,
      this.state.wall * 1.2));
    const share = (at - from) / (to - from);
    this.state.from = at - share * span;
    this.state.to = this.state.from + span;
  }

  pan(seconds) {
    this.state.from += seconds;
    this.state.to += seconds;
  }

  draw() {
    const { pen, state } = this;
    if (!pen || this.width < 10 || this.height < 10) return;
    this.boxes = [];
    pen.fillStyle = this.colours.back;
    pen.fillRect(0, 0, this.width, this.height);
    pen.textBaseline = "middle";
    const top = this.size * 1.6;
    let y = top - this.scroll;
    const shown = state.tab === "step" ? [state.model] : state.models;
    const lanes = shown.reduce((n, m) => n + m.lanes.reduce(
      (k, lane) => k + lane.height, 0) + 1.2, 0);
    const roomy = (this.height - top) / Math.max(lanes, 1);
    const height = Math.max(this.size * 1.25, Math.min(roomy,
      this.size * 2.2));
    for (const model of shown) y = this.drawRun(model, y, height);
    this.content = y + this.scroll;
    this.drawAxis(top);
    if (state.tab === "step" && this.follow(top, height)) this.draw();
  }

  // Scroll to the lane of a step, if it cannot be seen; tell whether.
  follow(top, tall) {
    const event = this.state.model.events[this.state.step];
    const lane = event && this.state.model.lanes.find((each) =>
      each.worker === event.target);
    if (!lane || lane === this.followed) return false;
    this.followed = lane; // else a person could not scroll
    if (lane.y >= top && lane.y + tall <= this.height) return false;
    this.scroll = Math.max(0, this.scroll + lane.y - (this.height + top) / 2);
    return true;
  }

  drawRun(model, y, height) {
    const { pen, state } = this;
    pen.font = `600 ${this.size}px ${this.font}`;
    pen.fillStyle = this.colours.fore;
    const told = `${model.about.engine}: ${short(model.about.program, 50)}, `
      + `${seconds(model.wall)}, ${model.tasks.length} tasks`;
    pen.fillText(told, 6, y + height / 2);
    pen.font = `${this.size}px ${this.font}`;
    y += height * 1.1;
    if (model.stories.length) y += this.size * 1.3; // they stand there
    const begin = y;
    for (const lane of model.lanes) {
      lane.y = y;
      y += height * lane.height;
    }
    this.drawArrows(model, height); // below the tasks: names can be read
    for (const lane of model.lanes) {
      const tall = height * lane.height;
      if (lane.y + tall > 0 && lane.y < this.height) {
        this.drawLane(model, lane, lane.y, height);
      }
    }
    this.drawStories(model, begin, y);
    this.drawEnd(model, begin, y);
    const [a, b] = state.models;
    if (state.tab === "compare" && b && b.about.command) {
      const other = model.events[firstOther(a, b)];
      if (other) this.drawCursor(other.at, begin, y);
    }
    if (state.tab === "step" && model === state.model) {
      const event = model.events[state.step];
      if (event) this.drawCursor(event.at, begin, y);
      if (quiz.question && !quiz.revealed) { // what comes is not told yet
        const x = Math.max(this.left, this.x(quiz.question.at));
        pen.fillStyle = this.colours.panel;
        pen.fillRect(x, 0, this.width, this.height);
      }
    }
    return y + height * 0.2;
  }

  drawLane(model, lane, y, height) {
    const { pen, state, colours } = this;
    const tall = height * lane.height;
    pen.strokeStyle = colours.line;
    pen.beginPath();
    pen.moveTo(0, y + tall - 0.5);
    pen.lineTo(this.width, y + tall - 0.5);
    pen.stroke();
    pen.fillStyle = colours.soft;
    const node = model.nodes.get(lane.node) || lane.node;
    const many = model.nodes.size > 1 && lane.node;
    const worker = lane.worker.replace(/^fork of /, ""); // of a simulation
    const name = many ? `${worker} ${short(node, 15)}` : worker;
    pen.fillText(fit(pen, name, this.left - 12), 6, y + tall / 2);
    pen.save();
    pen.beginPath();
    pen.rect(this.left, 0, this.width - this.left, this.height);
    pen.clip();
    for (const span of lane.spans) {
      const x = this.x(span.begin), end = this.x(span.end);
      if (end < this.left || x > this.width) continue;
      const wide = Math.max(2, end - x);
      pen.fillStyle = colours.line;
      pen.fillRect(x, y + tall - 5, wide, 3);
      this.boxes.push([x, y + tall - 7, wide, 7, { span }]);
    }
    for (const task of lane.marks) { // submitted here
      const x = this.x(task.submitted);
      if (x < this.left || x > this.width) continue;
      pen.fillStyle = colourOf(task.name);
      pen.fillRect(x - 1, y + tall * 0.3, 2, tall * 0.4);
    }
    this.drawTasks(model, lane, y, height);
    pen.restore();
  }

  drawTasks(model, lane, y, height) {
    const { pen, state, colours } = this;
    const inner = height - 6;
    const groups = []; // of each row: those too narrow to be seen alone
    const last = [];
    for (const task of lane.tasks) {
      const x = this.x(task.begin), end = this.x(task.end);
      const row = task.row, ty = y + row * height + 3;
      if (lane.height === 1) this.drawGap(model, last[row], task, ty, inner);
      last[row] = task;
      if (end < this.left || x > this.width) continue;
      const found = !state.find || matches(task, state.find);
      if (end - x < 3 && task !== state.selected) {
        const group = groups[row];
        if (group && x - group.end < 1.5) {
          group.end = Math.max(group.end, end);
          group.tasks.push(task);
          group.found = group.found || found;
        } else {
          if (group) this.drawGroup(group, inner);
          groups[row] = { x, end, y: ty, tasks: [task], found };
        }
        continue;
      }
      if (groups[row]) {
        this.drawGroup(groups[row], inner);
        groups[row] = null;
      }
      this.drawTask(model, task, x, ty, end - x, inner, found);
    }
    for (const group of groups) if (group) this.drawGroup(group, inner);
  }

  drawTask(model, task, x, y, wide, tall, found) {
    const { pen, state, colours } = this;
    pen.globalAlpha = found ? 1 : 0.15;
    pen.fillStyle = colourOf(task.name);
    pen.fillRect(x, y, wide, tall);
    const loaded = task.loaded ? this.x(task.loaded) - x : 0;
    if (loaded > 1) { // the arguments
      pen.fillStyle = "rgba(0, 0, 0, 0.35)";
      pen.fillRect(x, y + tall - 4, loaded, 4);
    }
    if (task.state === "DIED" || task.state === "FAILED") {
      pen.strokeStyle = colours.bad;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(x + wide - 9, y + 3);
      pen.lineTo(x + wide - 1, y + tall - 3);
      pen.moveTo(x + wide - 1, y + 3);
      pen.lineTo(x + wide - 9, y + tall - 3);
      pen.stroke();
    }
    const critical = state.tab === "why" && model.critical.has(task.id);
    if (task === state.selected || critical) {
      pen.strokeStyle = colours.fore;
      pen.lineWidth = 2.5;
      pen.strokeRect(x + 1, y + 1, Math.max(1, wide - 2), tall - 2);
    }
    pen.lineWidth = 1;
    const shown = Math.max(x, this.left);
    const room = Math.min(x + wide, this.width) - shown;
    if (room > this.size * 1.5) {
      pen.fillStyle = ink(colourOf(task.name));
      const again = task.attempt ? ` (again ${task.attempt})` : "";
      const name = fit(pen, task.name + again, room - 6);
      if (name) pen.fillText(name, shown + 3, y + tall / 2 + 0.5);
    }
    pen.globalAlpha = 1;
    this.boxes.push([x, y, Math.max(wide, 3), tall, { task, model }]);
  }

  drawGroup(group, tall) {
    const { pen } = this;
    const wide = Math.max(1.5, group.end - group.x);
    pen.globalAlpha = group.found ? 1 : 0.15;
    pen.fillStyle = colourOf(group.tasks[0].name);
    pen.fillRect(group.x, group.y, wide, tall);
    if (group.tasks.length > 1) {
      pen.fillStyle = "rgba(0, 0, 0, 0.25)"; // a comb: more than one
      pen.fillRect(group.x, group.y + tall - 3, wide, 3);
      const text = `${group.tasks.length} tasks`;
      if (wide > this.size * 5) {
        pen.fillStyle = ink(colourOf(group.tasks[0].name));
        pen.fillText(text, group.x + 3, group.y + tall / 2 + 0.5);
      }
    }
    pen.globalAlpha = 1;
    this.boxes.push([group.x, group.y, Math.max(wide, 3), tall,
      { group, task: group.tasks[0] }]);
  }

  drawGap(model, before, after, y, tall) {
    const from = before ? before.end : 0;
    const x = Math.max(this.x(from), this.left);
    const end = Math.min(this.x(after.begin), this.width);
    if (end - x < this.size * 6) return;
    const { pen, colours } = this;
    pen.fillStyle = colours.soft;
    const text = fit(pen, gapCause(model, before, after), end - x - 8);
    if (text) pen.fillText(text, x + 4, y + tall / 2);
  }

  // From whom a task came, and whose results it takes: of the selected one,
  // or of all if there are few.
  drawArrows(model, height) {
    const { pen, state, colours } = this;
    const shown = model.tasks.filter((task) =>
      task.end >= state.from && task.begin <= state.to);
    const few = shown.length <= 40;
    const step = state.tab === "step" && model === state.model
      ? model.events[state.step] : null;
    pen.save();
    pen.beginPath();
    pen.rect(this.left, 0, this.width - this.left, this.height);
    pen.clip();
    for (const task of shown) {
      const chosen = task === state.selected || (step && step.task === task);
      if (!few && !chosen) continue;
      const y = task.lane.y + (task.row + 0.5) * height;
      pen.globalAlpha = chosen ? 1 : 0.35;
      for (const id of task.after || []) {
        const from = (model.byId.get(id) || []).at(-1);
        if (from) this.arrow(from, task, y, height, colours.fore, from.end);
      }
      const parent = (model.byId.get(task.parent || "") || [])[0];
      const from = parent || (model.driver && { lane: model.driver, row: 0 });
      if (from && task.submitted != null && !task.attempt) {
        this.arrow(from, task, y, height, colours.soft, task.submitted);
      }
    }
    this.drawMessages(model, height, step);
    pen.restore();
  }

  // Who said what to whom: all of it if it is little, else that of the step.
  drawMessages(model, height, step) {
    const { pen, state, colours } = this;
    const lanes = new Map(model.lanes.map((lane) => [lane.worker, lane]));
    const shown = model.messages.filter((m) =>
      m.at >= state.from && m.at <= state.to);
    for (const message of shown) {
      const chosen = step && step.message === message;
      if (shown.length > 60 && !chosen) continue;
      const from = lanes.get(message.source), to = lanes.get(message.target);
      if (!from || !to) continue;
      const x = this.x(message.at), y = to.y + height / 2;
      pen.globalAlpha = chosen ? 1 : 0.4;
      pen.strokeStyle = pen.fillStyle = chosen ? colours.fore : colours.soft;
      pen.beginPath();
      pen.moveTo(x, from.y + height / 2);
      pen.lineTo(x, y);
      pen.stroke();
      pen.beginPath();
      const up = from.y > to.y ? 1 : -1;
      pen.moveTo(x, y);
      pen.lineTo(x - 4, y + 7 * up);
      pen.lineTo(x + 4, y + 7 * up);
      pen.fill();
    }
  }

  arrow(from, to, y, height, colour, at) {
    const { pen } = this;
    const x1 = this.x(at), x2 = this.x(to.begin);
    const y1 = from.lane.y + (from.row + 0.5) * height;
    pen.strokeStyle = pen.fillStyle = colour;
    const bend = Math.max(20, (x2 - x1) / 2);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.bezierCurveTo(x1 + bend, y1, x2 - bend, y, x2, y);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(x2, y);
    pen.lineTo(x2 - 7, y - 4);
    pen.lineTo(x2 - 7, y + 4);
    pen.fill();
  }

  drawStories(model, top, bottom) {
    const { pen, colours } = this;
    const words = { death: "✕", retry: "↻", restart: "↻", backup: "⧉",
      strike: "⚡", button: "☝" };
    let free = -Infinity;
    for (const story of model.stories) {
      const x = this.x(story.at);
      if (x < this.left || x > this.width || story.what === "note") continue;
      pen.strokeStyle = pen.fillStyle = colours.bad;
      pen.setLineDash([4, 3]);
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, bottom);
      pen.stroke();
      pen.setLineDash([]);
      const text = `${words[story.what] || "•"} ${short(story.text, 70)}`;
      const wide = pen.measureText(text).width;
      const at = Math.min(x + 3, this.width - wide - 4);
      if (at > free) {
        const y = top - this.size * 0.6;
        pen.fillStyle = colours.back;
        pen.fillRect(at - 2, y - this.size * 0.6, wide + 4, this.size * 1.2);
        pen.fillStyle = colours.bad;
        pen.fillText(text, at, y);
        free = at + wide + 10;
      }
      this.boxes.push([x - 4, top, 8, bottom - top, { story }]);
    }
  }

  drawEnd(model, top, bottom) {
    const { pen, colours } = this;
    const x = this.x(model.wall);
    if (x < this.left || x > this.width) return;
    pen.strokeStyle = colours.fore;
    pen.beginPath();
    pen.moveTo(x, top);
    pen.lineTo(x, bottom);
    pen.stroke();
  }

  drawCursor(at, top, bottom) {
    const { pen } = this;
    pen.fillStyle = "rgba(230, 159, 0, 0.9)";
    pen.fillRect(this.x(at) - 1, top, 3, bottom - top);
  }

  drawAxis(tall) {
    const { pen, state, colours } = this;
    pen.fillStyle = colours.panel;
    pen.fillRect(0, 0, this.width, tall);
    pen.fillStyle = colours.soft;
    pen.strokeStyle = colours.line;
    const span = state.to - state.from;
    const rough = span / Math.max(2, (this.width - this.left) / 110);
    const unit = 10 ** Math.floor(Math.log10(rough));
    const by = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough);
    const first = Math.ceil(state.from / by) * by;
    for (let t = first; t < state.to; t += by) {
      const x = this.x(t);
      if (x < this.left) continue;
      pen.beginPath();
      pen.moveTo(x, tall - 5);
      pen.lineTo(x, tall);
      pen.stroke();
      pen.fillText(this.moment(Math.round(t / by) * by, by), x + 3, tall / 2);
    }
  }

  // A moment on the axis, as exact as the distance of its marks.
  moment(t, by) {
    if (t === 0) return "0";
    const [unit, name] = by >= 0.1 ? [1, "s"] : by >= 1e-4 ? [1e-3, "ms"]
      : [1e-6, "µs"];
    const digits = Math.max(0, -Math.floor(Math.log10(by / unit) + 1e-9));
    return `${(t / unit).toFixed(digits)} ${name}`;
  }

  // What is under the pointer; the last drawn lies on top.
  at(x, y) {
    for (let i = this.boxes.length - 1; i >= 0; i--) {
      const [left, top, wide, tall, what] = this.boxes[i];
      if (x >= left && x <= left + wide && y >= top && y <= top + tall) {
        return what;
      }
    }
    return null;
  }
}

function matches(task, find) {
  return task.name.toLowerCase().includes(find)
    || task.id.toLowerCase().startsWith(find)
    || (task.worker || "").toLowerCase() === find;
}

// Black or white, whichever can be read on a colour.
function ink(colour) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 115 ? "#000000" : "#ffffff";
}

const widths = new Map(); // {font and text: its width}: measuring is slow

function widthOf(pen, text) {
  const key = `${pen.font}\n${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 10000) widths.clear();
    width = pen.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

// As much of a text as there is room for.
function fit(pen, text, room) {
  text = short(text, 80);
  const width = widthOf(pen, text);
  if (width <= room) return text;
  const letters = Math.floor(text.length * room / width) - 1;
  return letters < 2 ? "" : short(text, letters);
}

// The drawing of a step: the processes of the run, and the hop that is lit.
//
//   driver        node: [control] [node] [store] [worker] [worker]
//   servers       node: ...
//
// A place stays where it is through all steps, so that one sees what changes.
"use strict";

const CHIP = { wide: 100, tall: 48, gap: 8 };
const LEFT = CHIP.wide + 34; // where the nodes begin
const WIDE = LEFT + 5 * (CHIP.wide + CHIP.gap) + 2 * CHIP.gap;
const MOST = { nodes: 6, workers: 10 }; // that are drawn
const LETTER = 18 * 0.56; // how wide one is

// The processes of a run: {name: {name, role, home, begin, end}}.
function processesOf(model) {
  const found = new Map();
  const add = (name, role, home, begin = 0, end = Infinity) =>
    found.set(name, { name, role, home, begin, end });
  for (const line of model.lines) {
    if (line.kind !== "process") continue;
    add(line.name, line.role || "worker", line.home || "", line.begin,
      line.end ?? Infinity);
  }
  if (found.size) return found; // a simulated run tells all of them
  add("driver", "driver", "");
  const died = model.lines.filter((line) =>
    line.kind === "story" && line.what === "death");
  if (["minimr", "ray"].includes(model.about.engine)) {
    add("head", "head", "");
    for (const [id, name] of model.nodes) {
      const end = died.find((line) => name && line.text.includes(name));
      add(id, "node", id, 0, end ? end.at : Infinity);
    }
  }
  for (const lane of model.lanes) {
    if (lane === model.driver || lane.worker === "driver") continue;
    const ends = lane.tasks.filter((task) => task.state === "DIED")
      .map((task) => task.end);
    const last = Math.max(0, ...lane.tasks.map((task) => task.begin));
    const home = found.has(lane.node) ? lane.node : "";
    const end = Math.min(...ends.filter((end) => end >= last),
      home ? found.get(home).end : Infinity);
    add(lane.worker, "worker", home, 0, end);
  }
  return found;
}

// Where everything stands: {key: box}; and frames, and how tall it all is.
function placed(model, involved, at) {
  const boxes = new Map(), frames = [], rest = [];
  const all = [...model.processes.values()];
  const put = (key, x, y, lines, process) => boxes.set(key,
    { x, y, wide: CHIP.wide, tall: CHIP.tall, lines, process });
  let y = 4;
  for (const one of all.filter((p) => !["worker", "node"].includes(p.role)
      && !p.home)) {
    const role = one.role === "driver" && model.rung === "sockets"
      ? "coordinator" : one.role;
    put(one.name, 4, y, [one.name === role ? "" : role, one.name], one);
    y += CHIP.tall + 3 * CHIP.gap;
  }
  const left = y;
  y = 4;
  const important = (p) => (involved.includes(p.name) ? 2 : 0)
    + (p.begin <= at && at < p.end ? 1 : 0);
  const few = (found, most) => found
    .sort((a, b) => important(b) - important(a) || b.begin - a.begin)
    .slice(0, most).sort((a, b) => byNumber(a.name, b.name));
  const group = (home, own, workers) => {
    const chips = [...own, ...few(workers, MOST.workers).map((p) =>
      [p.name, [p.name.replace(/^fork of .* (\d+)$/, "worker $1"), ""], p])];
    const inset = home ? CHIP.gap : 0, top = home ? 24 : 0;
    const [across, gap] = home ? [5, CHIP.gap] : [3, 6 * CHIP.gap];
    chips.forEach(([key, lines, process], i) => put(key,
      LEFT + inset + (i % across) * (CHIP.wide + gap),
      y + top + Math.floor(i / across) * (CHIP.tall + gap),
      lines, process));
    const lost = workers.length - MOST.workers;
    const tall = top + Math.ceil(chips.length / across)
      * (CHIP.tall + gap);
    if (home) {
      const more = lost > 0 ? `, and ${lost} workers more` : "";
      frames.push({ y, tall, title: home.title + more,
        process: home.process });
    }
    y += tall + 2 * CHIP.gap;
  };
  const nodes = all.filter((p) => p.home === p.name);
  for (const node of few(nodes, MOST.nodes)) {
    const title = model.nodes.get(node.name) || node.name;
    const own = [...(node.role === "head" ? ["control"] : []), "node",
      "store"].map((part) => [`${node.name}\n${part}`, [part, ""], node]);
    group({ title, process: node }, own, all.filter((p) =>
      p.role === "worker" && p.home === node.name));
  }
  const alone = all.filter((p) => p.role === "worker" && !p.home);
  if (alone.length) group(null, [], alone);
  if (nodes.length > MOST.nodes) {
    rest.push(`and ${nodes.length - MOST.nodes} nodes more`);
  }
  return { boxes, frames, rest, tall: Math.max(left, y, 60) };
}

// The part of a node that a function is of.
function partOf(hop) {
  const place = hop ? hop.place : "";
  if (place.includes("core/control/")) return "control";
  return /object_(store|transfer)/.test(place) ? "store" : "node";
}

function svg(tag, attributes, text) {
  // of the kind that the empty drawing in the page is
  const kind = document.getElementById("nothing").namespaceURI;
  const element = document.createElementNS(kind, tag);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  if (text !== undefined) element.textContent = text;
  return element;
}

function architecture(model, event, tables) {
  const hops = hopsOf(model, event);
  const plan = placed(model, [event.source, event.target], event.at);
  const key = (name, hop) => plan.boxes.has(name) ? name
    : `${name}\n${partOf(hop)}`;
  const from = plan.boxes.get(key(event.source, hops[0]));
  const to = plan.boxes.get(key(event.target, hops[1] || hops[0]));
  const picture = svg("svg", { id: "architecture", role: "img",
    viewBox: `0 0 ${WIDE} ${plan.tall}` });
  for (const frame of plan.frames) {
    const dead = frame.process.end <= event.at;
    picture.append(svg("rect", { class: "frame", x: LEFT, y: frame.y,
      width: WIDE - LEFT - 2, height: frame.tall, rx: 6 }));
    picture.append(svg("text", { class: dead ? "bad" : "soft",
      x: LEFT + CHIP.gap, y: frame.y + 17 },
    short(frame.title, 40) + (dead ? ": dead" : "")));
  }
  for (const [name, box] of plan.boxes) {
    drawChip(picture, model, box, event.at, box === from || box === to,
      tables.get(`workers\n${name}\n`));
  }
  if (from && to && from !== to) drawHop(picture, plan, from, to, event);
  plan.rest.forEach((text) => picture.append(svg("text",
    { class: "soft", x: LEFT, y: plan.tall - 2 }, text)));
  return picture;
}

function drawChip(picture, model, box, at, lit, does) {
  const { x, y, wide, tall, process } = box;
  const dead = process.end <= at, unborn = process.begin > at;
  const actor = (model.actors.get(process.name) || []).findLast((each) =>
    each.at <= at);
  const kind = ["chip", lit ? "lit" : "", dead ? "dead" : "",
    unborn ? "unborn" : "", actor && process.role === "worker"
      ? "actor" : ""].join(" ");
  picture.append(svg("rect", { class: kind, x, y, width: wide,
    height: tall, rx: actor ? 20 : 5 }));
  if (dead) { // below the words, which can still be read
    const cross = `M${x} ${y}l${wide} ${tall}M${x + wide} ${y}`
      + `l${-wide} ${tall}`;
    picture.append(svg("path", { class: "cross", d: cross }));
  }
  const name = box.lines[0] || box.lines[1];
  const call = does && does.split(/ |,/)[0]; // "f()" of "f() runs"
  const below = dead ? "dead" : unborn ? "not yet"
    : call || (actor ? actor.name : box.lines[0] ? box.lines[1] : "");
  if (call && !dead) {
    picture.append(svg("rect", { x: x + 3, y: y + tall - 5,
      width: wide - 6, height: 4, fill: colourOf(call.slice(0, -2)) }));
  }
  const middle = x + wide / 2;
  const words = (text, row, more) => {
    const element = svg("text", { x: middle, y: y + row, class: more }, text);
    if (text.length * LETTER > wide - 6) { // narrower, rather than less text
      element.setAttribute("textLength", wide - 6);
      element.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
    picture.append(element);
  };
  words(short(name, 12), 20, `who ${unborn ? "soft" : ""}`);
  words(short(below, 12), 39, `does ${dead ? "bad" : "soft"}`);
}

// An arrow from border to border, bent so that what lies between can be read,
// and the name of the message on it.
function drawHop(picture, plan, from, to, event) {
  const centre = (box) => [box.x + box.wide / 2, box.y + box.tall / 2];
  const [x1, y1] = centre(from), [x2, y2] = centre(to);
  const far = Math.hypot(x2 - x1, y2 - y1) || 1;
  const beside = Math.abs(y2 - y1) < from.tall && far > 1.5 * from.wide;
  const bend = Math.min(34, far / 5);
  const xm = (x1 + x2) / 2 + (beside ? 0 : (y2 - y1) / far * bend);
  const ym = (y1 + y2) / 2 + (beside ? 1.7 * from.tall
    : (x1 - x2) / far * bend);
  const [bx, by] = border(from, xm, ym), [ex, ey] = border(to, xm, ym);
  const path = `M${bx} ${by}Q${xm} ${ym} ${ex} ${ey}`;
  const angle = Math.atan2(ey - ym, ex - xm);
  const wing = (turn) => `${ex - 15 * Math.cos(angle + turn)} `
    + `${ey - 15 * Math.sin(angle + turn)}`;
  picture.append(svg("path", { class: "halo", d: path }));
  picture.append(svg("path", { class: "hop", d: path }));
  picture.append(svg("path", { class: "tip",
    d: `M${ex} ${ey}L${wing(0.45)}L${wing(-0.45)}Z` }));
  const text = short(event.name || event.text.split(": ").at(-1), 30);
  const wide = text.length * LETTER * 1.2 + 18;
  const inside = (v, most) => Math.max(2, Math.min(most, v));
  const x = inside((x1 + 2 * xm + x2) / 4 - wide / 2, WIDE - wide - 2);
  const y = inside((y1 + 2 * ym + y2) / 4 - 12, plan.tall - 27);
  picture.append(svg("rect", { class: "sign", x, y, width: wide,
    height: 26, rx: 4 }));
  picture.append(svg("text", { class: "said", x: x + wide / 2, y: y + 19 },
    text));
}

// Where the line from the middle of a box to a point leaves the box.
function border(box, x, y) {
  const cx = box.x + box.wide / 2, cy = box.y + box.tall / 2;
  const dx = x - cx, dy = y - cy;
  const part = Math.min(1, (box.wide / 2 + 2) / (Math.abs(dx) || 1e-9),
    (box.tall / 2 + 2) / (Math.abs(dy) || 1e-9));
  return [cx + dx * part, cy + dy * part];
}

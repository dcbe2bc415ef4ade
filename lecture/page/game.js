// The newest game of a training: a lander, where it was and what it fired.
"use strict";

const REST_S = 1; // how long its end stays
// The environment observes in halves of its screen, which is 3 by 2; the pad is
// below where a lander stands.
const SHAPE = 2 / 3, PAD = -0.09;
const FLAMES = { 1: [-1, 0], 2: [0, 1], 3: [1, 0] }; // {action: where to}
const began = new Map(); // {game: when it was first drawn}

// It goes on while its canvas is on the page. A live page makes a new canvas
// each second: the game goes on there.
function drawGame(area, game, key) {
  if (!began.has(key)) began.set(key, performance.now());
  const { canvas } = area.pen, all = game.path.length;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const next = (now) => {
    const rest = Math.ceil(REST_S / Math.max(game.step_s, 0.001));
    const passed = Math.max(0, now - began.get(key)) / 1000;
    const step = still ? all - 1 : Math.min(all - 1, Math.floor(
      passed / Math.max(game.step_s, 0.001)) % (all + rest));
    drawFlight(area, game, step);
    if (!still && canvas.isConnected) requestAnimationFrame(next);
  };
  next(performance.now());
}

function drawFlight({ pen, width, height, tall, soft, fore }, game, step) {
  const low = Math.min(...game.ground.map(([, y]) => y), -0.1);
  const high = Math.max(...game.path.map(([, y]) => y), 1.6);
  const unit = Math.min(width / 2.1,
    (height + tall - 8) / (high - low) / SHAPE);
  const px = (x) => width / 2 + x * unit;
  const py = (y) => (high - y) * unit * SHAPE;
  const line = (points) => {
    pen.beginPath();
    points.forEach(([x, y], i) => i ? pen.lineTo(px(x), py(y))
      : pen.moveTo(px(x), py(y)));
    pen.stroke();
  };
  pen.clearRect(0, 0, width, height + tall);
  pen.lineWidth = 2;
  pen.strokeStyle = soft;
  line(game.ground);
  pen.strokeStyle = PALETTE[1]; // the pad
  line([[-0.2, PAD], [0.2, PAD]]);
  pen.strokeStyle = PALETTE[4];
  line(game.path.slice(0, step + 1));
  const [x, y, angle, action] = game.path[step], size = 0.05 * unit;
  pen.save();
  pen.translate(px(x), py(y));
  pen.rotate(-angle);
  pen.fillStyle = PALETTE[5];
  const [aside, below] = FLAMES[action] || [0, 0];
  if (aside || below) {
    pen.beginPath();
    pen.arc(aside * 1.5 * size, below * 1.2 * size, size * 0.6, 0, 7);
    pen.fill();
  }
  pen.fillStyle = pen.strokeStyle = fore;
  pen.fillRect(-size, -size, 2 * size, 1.4 * size);
  pen.beginPath();
  for (const side of [-1, 1]) {
    pen.moveTo(side * size, 0);
    pen.lineTo(side * 1.6 * size, 1.2 * size);
  }
  pen.stroke();
  pen.restore();
  pen.fillStyle = soft;
  pen.textBaseline = "top";
  pen.fillText(seconds(step * game.step_s), 2, 2);
}

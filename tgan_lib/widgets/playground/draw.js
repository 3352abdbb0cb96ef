// What the playground draws on its plane: D's surface with the points on it. Joined behind game.js by Python.

const REACH = 1.5, CELLS = 48; // the plane is shown from -REACH to REACH, D's surface at CELLS x CELLS points
const ARROWS = 80, PUSH = 0.15, LONGEST = 0.3; // how many samples get arrows; an arrow's length for a slope of 1; its limit
const LEAST_HALF = 0.02; // of the colours' range, in scores: a flatter D is shown flat
const LINES = [-2 / 3, -1 / 3, 0, 1 / 3, 2 / 3]; // where contour lines lie on the colours' range, -1 to 1

// From "generated" to "real". Lightness rises all the way, so that the order is seen in grey too, and brown against
// blue is told apart by most colour-blind readers. The same scale serves both themes; dark pages get darker stops.
const PALETTES = {
  light: {
    scale: ["#cf9a78", "#dab697", "#e4d8cb", "#e7eeee", "#e6f6fd"], real: "#0b5f7a", fake: "#7a2e08",
    halo: "#ffffff", contour: "#4d5966", push: "#3b2a20", band: "#ece9df",
  },
  dark: {
    scale: ["#2a180d", "#46301f", "#484644", "#3f5965", "#3d6f86"], real: "#c9f0ff", fake: "#ffb987",
    halo: "#10161c", contour: "#c6d0d8", push: "#ffe3cf", band: "#252e37",
  },
};

/** Light or dark, as the text around says. */
function paletteOf(node) {
  const [r, g, b] = getComputedStyle(node).color.match(/[\d.]+/g).map(Number);
  return r + g + b > 382 ? PALETTES.dark : PALETTES.light;
}

function mix(stops, t) {
  const at = Math.min(stops.length - 1.001, Math.max(0, t) * (stops.length - 1)), i = Math.floor(at);
  const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  return [0, 1, 2].map((k) => Math.round(part(stops[i], k) + (at - i) * (part(stops[i + 1], k) - part(stops[i], k))));
}

const tables = new Map(); // of 256 colours; parsing them anew for each frame would cost more than D does
function tableOf(palette) {
  if (!tables.has(palette)) tables.set(palette, Array.from({ length: 256 }, (_, i) => mix(palette.scale, i / 255)));
  return tables.get(palette);
}

/** A canvas's context in CSS pixels, at the screen's own resolution, cleared. */
function prepare(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = Math.min(2, window.devicePixelRatio || 1);
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Draws the plane. One per view: it keeps the surface's tape and its small picture. */
function makePlane(canvas) {
  const small = document.createElement("canvas");
  small.width = small.height = CELLS;
  const ink = small.getContext("2d"), image = ink.createImageData(CELLS, CELLS);
  let tape = null;

  /** -> what the colours say (see surfaceScale), and how many fakes lie outside the picture. */
  return function draw(game, settings, palette, arrows) {
    const { pen, width } = prepare(canvas), fake = game.shownFake();
    tape ??= makeTape(game.discriminator, CELLS * CELLS);
    const { scores, line, half } = surface(game, settings.loss, tape), table = tableOf(palette);
    for (let i = 0; i < scores.length; i++) {
      const colour = table[Math.max(0, Math.min(255, Math.round(127.5 * (1 + (scores[i] - line) / half))))];
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = colour[k];
      image.data[4 * i + 3] = 255;
    }
    ink.putImageData(image, 0, 0);
    pen.drawImage(small, 0.5, 0.5, CELLS - 1, CELLS - 1, 0, 0, width, width); // the outer pixels' middles lie on the edge
    const scale = width / (2 * REACH), x = (u) => (u + REACH) * scale, y = (v) => (REACH - v) * scale;
    surfaceLines({ scores, line, half }).forEach((segments, i) => drawContour(pen, segments, width / (CELLS - 1), palette, LINES[i] ? 0.6 : 1.6));
    const stamps = stampsOf(palette, Math.max(1.6, width / 190), canvas.width / width);
    stampAll(pen, game.shownReal, stamps.real, x, y);
    if (arrows) drawPushes(pen, fake, game.pushes(fake, ARROWS), x, y, scale, palette);
    stampAll(pen, fake, stamps.fake, x, y);
    let outside = 0;
    for (let i = 0; i < fake.length; i += 2) if (!(Math.abs(fake[i]) <= REACH && Math.abs(fake[i + 1]) <= REACH)) outside++;
    return { line, half, outside };
  };
}

const CELL_POINTS = Float64Array.from({ length: 2 * CELLS * CELLS }, (_, i) => {
  const place = (n) => REACH * ((2 * n) / (CELLS - 1) - 1), cell = i >> 1;
  return i % 2 ? -place(Math.floor(cell / CELLS)) : place(cell % CELLS); // row 0 is the top
});

/**
 * D's scores of all cells, and the range that the colours stretch over, line - half to line + half. The line is where D
 * cannot tell, or the median where only differences of scores mean anything; the range holds nine cells in ten, so that
 * small slopes show and a few steep corners do not wash them out.
 */
function surface(game, loss, tape) {
  const scores = game.score(CELL_POINTS, tape), line = LOSSES[loss].line ?? quantile(scores, 0.5);
  return { scores, line, half: Math.max(LEAST_HALF, quantile(scores.map((s) => Math.abs(s - line)), 0.9)) };
}

/** The lines at LINES of that range, each as contour's segments. */
const surfaceLines = ({ scores, line, half }) => LINES.map((at) => contour(scores, line + at * half));

/** A disc for reals and a triangle for fakes, drawn once: stamping them is far faster than one path of 800 outlines. */
let stamps = { key: "" };
function stampsOf(palette, size, scale) {
  const key = [palette.real, size, scale].join();
  if (stamps.key === key) return stamps;
  const side = 2 * Math.ceil(2 * size + 2), middle = side / 2, half = 1.5 * size;
  const stamp = (colour, outline) => {
    const canvas = make("canvas", { width: Math.ceil(side * scale), height: Math.ceil(side * scale) }), pen = canvas.getContext("2d");
    pen.scale(canvas.width / side, canvas.width / side);
    pen.translate(middle, middle);
    pen.beginPath();
    outline(pen);
    pen.closePath();
    pen.lineWidth = 1.4;
    pen.strokeStyle = palette.halo;
    pen.stroke();
    pen.fillStyle = colour;
    pen.fill();
    return { canvas, side };
  };
  const triangle = [[0, -half], [0.9 * half, 0.7 * half], [-0.9 * half, 0.7 * half]];
  stamps = {
    key,
    real: stamp(palette.real, (pen) => pen.arc(0, 0, size, 0, 2 * Math.PI)),
    fake: stamp(palette.fake, (pen) => triangle.forEach((corner) => pen.lineTo(...corner))),
  };
  return stamps;
}

function stampAll(pen, points, { canvas, side }, x, y) {
  for (let i = 0; i < points.length; i += 2) {
    if (Math.abs(points[i]) < 2 && Math.abs(points[i + 1]) < 2) pen.drawImage(canvas, x(points[i]) - side / 2, y(points[i + 1]) - side / 2, side, side);
  }
}

function drawPushes(pen, fake, pushes, x, y, scale, palette) {
  pen.beginPath();
  for (let i = 0; i < pushes.length; i += 2) {
    const [u, v] = [pushes[i] * PUSH, pushes[i + 1] * PUSH], length = Math.hypot(u, v), fit = Math.min(1, LONGEST / length) * scale;
    const [fromX, fromY] = [x(fake[i]), y(fake[i + 1])], [toX, toY] = [fromX + u * fit, fromY - v * fit];
    if (!(length * scale > 1) || !(Math.hypot(fromX, fromY) < 1e4)) continue;
    const [headX, headY] = [(u / length) * 4, (-v / length) * 4];
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.moveTo(toX - headX - headY * 0.6, toY - headY + headX * 0.6);
    pen.lineTo(toX, toY);
    pen.lineTo(toX - headX + headY * 0.6, toY - headY - headX * 0.6);
  }
  pen.lineWidth = 1.1;
  pen.strokeStyle = palette.push;
  pen.stroke();
}

/** The line on which a score is `level`, as segments [x, y, x, y] in cells: in each square of four, from side to side. */
function contour(scores, level) {
  const segments = [];
  for (let row = 0; row + 1 < CELLS; row++) {
    for (let column = 0; column + 1 < CELLS; column++) {
      const at = row * CELLS + column, over = (i) => (scores[i] > level ? 1 : 0);
      if ((over(at) + over(at + 1) + over(at + CELLS) + over(at + CELLS + 1)) % 4 === 0) continue;
      const corners = [[0, 0, at], [1, 0, at + 1], [1, 1, at + CELLS + 1], [0, 1, at + CELLS]];
      const ends = [];
      corners.forEach(([u, v, i], c) => {
        const [p, q, j] = corners[(c + 1) % 4], a = scores[i] - level, b = scores[j] - level;
        if (a > 0 === b > 0) return;
        const t = a / (a - b);
        ends.push([column + u + t * (p - u), row + v + t * (q - v)]);
      });
      for (let e = 0; e + 1 < ends.length; e += 2) segments.push([...ends[e], ...ends[e + 1]]);
    }
  }
  return segments;
}

function drawContour(pen, segments, cell, palette, weight) {
  pen.beginPath();
  for (const [x, y, u, v] of segments) { pen.moveTo(x * cell, y * cell); pen.lineTo(u * cell, v * cell); }
  pen.lineWidth = weight;
  pen.strokeStyle = palette.contour;
  pen.stroke();
}

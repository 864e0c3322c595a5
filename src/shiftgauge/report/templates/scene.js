// A surface in three dimensions on a plain 2-D canvas: cells are projected, sorted from far to near and painted.
"use strict";
const LIMIT = 65535;

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const out = new Float64Array(bytes.length / 2);
  const step = (packed.high - packed.low) / (LIMIT - 1);
  for (let k = 0; k < out.length; k++) {
    const v = view.getUint16(2 * k, true);
    out[k] = v === LIMIT ? NaN : packed.low + v * step;
  }
  return out;
}

function roundTicks(low, high, count) {
  if (!(high > low)) return [low];
  const span = high - low;
  const quarter = [180, 360].some(s => Math.abs(span - s) < 1e-9) ? span / 4 : 0;
  const rough = span / count, power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = quarter || [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= rough * 0.999);
  const out = [];
  for (let v = quarter ? low : Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * span; v += step) out.push(Math.abs(v) < 1e-12 * span ? 0 : v);
  return out;
}

function showNumber(value, unit) {
  if (!Number.isFinite(value)) return "–";
  let text = Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  text = text.replace("-", "−");
  return !unit ? text : ["°", "×", "%"].includes(unit) ? text + unit : text + "\u00a0" + unit;
}

function colourScale(colours) {
  const rgb = colours.map(c => [1, 3, 5].map(k => parseInt(c.slice(k, k + 2), 16)));
  return t => {
    const at = Math.min(Math.max(t, 0), 1) * (rgb.length - 1), k = Math.min(Math.floor(at), rgb.length - 2), f = at - k;
    return "rgb(" + rgb[k].map((v, c) => Math.round(v + (rgb[k + 1][c] - v) * f)).join(",") + ")";
  };
}

// view: azimuth and elevation in radians, zoom; returns a function from the box [-1, 1]³ (height ±0.62) to the screen
function camera(view, width, height) {
  const ca = Math.cos(view.azimuth), sa = Math.sin(view.azimuth), ce = Math.cos(view.elevation), se = Math.sin(view.elevation);
  const size = Math.min((width - 96) / 2.95, (height - 84) / 2.55) * view.zoom, distance = 6;
  const middle = height / 2 - size * 0.2 * Math.sin(2 * view.elevation) + 4;
  return (x, y, z) => {
    const right = ca * x - sa * y, ahead = sa * x + ca * y;
    const up = z * ce + ahead * se, depth = ahead * ce - z * se;
    const k = distance / (distance + depth);
    return { x: width / 2 + size * right * k, y: middle - size * up * k, depth };
  };
}

const HEIGHT = 0.62;

function drawBox(pen, project, view, axes, style) {
  const ahead = [Math.sin(view.azimuth), Math.cos(view.azimuth)];
  const backX = ahead[0] > 0 ? 1 : -1, backY = ahead[1] > 0 ? 1 : -1;
  const line = (a, b, colour) => { const p = project(...a), q = project(...b); pen.strokeStyle = colour; pen.beginPath(); pen.moveTo(p.x, p.y); pen.lineTo(q.x, q.y); pen.stroke(); };
  pen.lineWidth = 1;
  for (const t of axes.x.ticks) { line([t.at, -1, -HEIGHT], [t.at, 1, -HEIGHT], style.line); line([t.at, backY, -HEIGHT], [t.at, backY, HEIGHT], style.line); }
  for (const t of axes.y.ticks) { line([-1, t.at, -HEIGHT], [1, t.at, -HEIGHT], style.line); line([backX, t.at, -HEIGHT], [backX, t.at, HEIGHT], style.line); }
  for (const t of axes.z.ticks) { const z = t.at * HEIGHT; line([-1, backY, z], [1, backY, z], style.line); line([backX, -1, z], [backX, 1, z], style.line); }
  const edges = [[[-1, backY], [1, backY]], [[backX, -1], [backX, 1]]];
  for (const z of [-HEIGHT, HEIGHT]) for (const [a, b] of edges) line([...a, z], [...b, z], style.soft);
  line([-1, -backY, -HEIGHT], [1, -backY, -HEIGHT], style.soft);
  line([-backX, -1, -HEIGHT], [-backX, 1, -HEIGHT], style.soft);
  line([backX, backY, -HEIGHT], [backX, backY, HEIGHT], style.soft);
  return { backX, backY };
}

function labelBox(pen, project, view, axes, style, back) {
  pen.fillStyle = style.ink; pen.font = style.font; pen.textBaseline = "middle";
  const centre = project(0, 0, -HEIGHT);
  // the screen direction away from the box, at a right angle to the projected edge a–b
  const normal = (a, b) => { let nx = a.y - b.y, ny = b.x - a.x; const n = Math.hypot(nx, ny) || 1, s = (a.x + b.x) / 2 - centre.x, t = (a.y + b.y) / 2 - centre.y; const sign = nx * s + ny * t < 0 ? -1 : 1; return { x: sign * nx / n, y: sign * ny / n }; };
  const write = (text, p) => { pen.textAlign = "center"; pen.fillText(text, p.x, p.y); };
  const flat = view.elevation > 1.45;
  for (const [name, place] of [["x", t => [t, -back.backY, -HEIGHT]], ["y", t => [-back.backX, t, -HEIGHT]]]) {
    const axis = axes[name];
    const a = project(...place(-1)), b = project(...place(1));
    if (Math.hypot(a.x - b.x, a.y - b.y) < 40) continue;
    const every = Math.max(1, Math.ceil(axis.ticks.length * 40 / Math.hypot(a.x - b.x, a.y - b.y)));
    pen.fillStyle = style.soft;
    const away = normal(a, b), move = (p, by) => ({ x: p.x + by * away.x, y: p.y + by * away.y });
    axis.ticks.forEach((t, k) => { if (k % every === 0) write(t.text, move(project(...place(t.at)), 8 + 8 * Math.abs(away.x) + 6)); });
    pen.fillStyle = style.ink;
    const end = move(project(...place(0)), 34 + 16 * Math.abs(away.x)), half = pen.measureText(axis.title).width / 2;
    write(axis.title, { x: Math.min(Math.max(end.x, half + 4), style.width - half - 4), y: Math.min(end.y, style.height - 10) });
  }
  if (flat) return;
  const corners = [[-1, -1], [-1, 1], [1, -1], [1, 1]].map(c => ({ c, p: project(c[0], c[1], 0) })).sort((a, b) => a.p.x - b.p.x);
  pen.fillStyle = style.soft; pen.textAlign = "right";
  for (const t of axes.z.ticks) { const p = project(...corners[0].c, t.at * HEIGHT); pen.fillText(t.text, Math.max(p.x - 8, 30), p.y); }
}

// grid: {nx, ny, z (heights in [-1, 1], NaN for none), colour (0–1)}; dots: [{x, y, z}]
function drawSheet(pen, project, grid, dots, scale, style) {
  const { nx, ny, z, tone } = grid, points = [], items = [];
  for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++) points.push(project(grid.x[i], grid.y[j], z[j * nx + i] * HEIGHT));
  for (let j = 0; j + 1 < ny; j++) for (let i = 0; i + 1 < nx; i++) {
    const k = j * nx + i, corner = [k, k + 1, k + nx + 1, k + nx];
    if (corner.some(c => !Number.isFinite(z[c]))) continue;
    items.push({ depth: corner.reduce((s, c) => s + points[c].depth, 0) / 4, corner, tone: corner.reduce((s, c) => s + tone[c], 0) / 4 });
  }
  for (const d of dots) { const p = project(d.x, d.y, d.z * HEIGHT); items.push({ depth: p.depth - 0.03, dot: p }); }
  items.sort((a, b) => b.depth - a.depth);
  pen.lineJoin = "round";
  for (const item of items) {
    pen.beginPath();
    if (item.dot) {
      pen.arc(item.dot.x, item.dot.y, style.dot, 0, 7);
      pen.fillStyle = style.dotFill; pen.fill(); pen.strokeStyle = style.dotEdge; pen.lineWidth = 1; pen.stroke();
      continue;
    }
    item.corner.forEach((c, k) => k ? pen.lineTo(points[c].x, points[c].y) : pen.moveTo(points[c].x, points[c].y));
    pen.closePath();
    pen.fillStyle = pen.strokeStyle = scale(item.tone); pen.lineWidth = 0.8; pen.globalAlpha = style.alpha; pen.fill(); pen.stroke();
    pen.globalAlpha = 0.16; pen.strokeStyle = "#000"; pen.lineWidth = 0.5; pen.stroke(); pen.globalAlpha = 1;
  }
  return points;
}

function drawScale(pen, scale, axis, style) {
  const tall = Math.min(style.height * 0.5, 220), top = style.height * 0.12, x = style.width - 58;
  for (let k = 0; k < tall; k++) { pen.fillStyle = scale(1 - k / tall); pen.fillRect(x, top + k, 12, 1.5); }
  pen.fillStyle = style.soft; pen.font = style.font; pen.textAlign = "left"; pen.textBaseline = "middle";
  for (const t of axis.ticks) pen.fillText(t.text, x + 17, top + tall * (1 - t.at) / 2);
}

// The response surface: chooses pair, slice and quantity, turns the view, and keeps the table in step.
function startSurface(data) {
  const $ = id => document.getElementById(id), canvas = $("surface-canvas"), pen = canvas.getContext("2d");
  const scale = colourScale(data.colours), HOME = { azimuth: -0.62, elevation: 0.5, zoom: 1 };
  const samples = data.samples && { theta: data.samples.theta.map(unpack), values: data.samples.values.map(unpack) };
  const heights = data.pairs.map(p => unpack(p.z));
  let view = { ...HOME }, quantity = 0, printing = false, seen = null, waiting = false;

  const pair = () => data.pairs[$("surface-pair").value], slice = () => Number($("surface-slice").value);
  const style = () => {
    const css = getComputedStyle(document.documentElement), get = n => css.getPropertyValue(n).trim(), small = !printing && canvas.clientWidth < 500;
    const colour = n => printing ? { "--line": "#bbb", "--soft": "#444", "--ink": "#000" }[n] : get(n);
    const dark = !printing && document.documentElement.dataset.theme === "dark";
    return { line: colour("--line"), soft: colour("--soft"), ink: colour("--ink"), width: printing ? 760 : canvas.clientWidth, height: printing ? 430 : canvas.clientHeight,
      font: (small ? 11 : 12.5) + "px system-ui, sans-serif", dot: small ? 2.4 : 3, dotFill: dark ? "rgba(255,255,255,.75)" : "rgba(0,0,0,.6)", dotEdge: dark ? "rgba(0,0,0,.7)" : "rgba(255,255,255,.8)",
      alpha: data.quantities[quantity].trusted ? 0.97 : 0.55 };
  };
  const unit = (v, low, high) => 2 * (v - low) / ((high - low) || 1) - 1;
  function axis(values, info) {
    const low = values[0], high = values[values.length - 1];
    return { low, high, title: info.label + (info.unit ? " (" + info.unit + ")" : ""), ticks: roundTicks(low, high, 4).map(v => ({ at: unit(v, low, high), text: showNumber(v, info.unit === "°" ? "°" : "") })) };
  }
  function grid() {
    const p = pair(), q = data.quantities[quantity], nx = p.x.length, ny = p.y.length, start = (quantity * p.fixed.length + slice()) * nx * ny;
    const raw = heights[$("surface-pair").value].subarray(start, start + nx * ny);
    return { nx, ny, raw, x: p.x.map(v => unit(v, p.x[0], p.x[nx - 1])), y: p.y.map(v => unit(v, p.y[0], p.y[ny - 1])),
      z: Float64Array.from(raw, v => unit(v, q.low, q.high)), tone: Float64Array.from(raw, v => (unit(v, q.low, q.high) + 1) / 2) };
  }
  function near() {
    const p = pair(), part = Number($("surface-window").value), out = [], q = data.quantities[quantity];
    if (!samples || !part) return out;
    const a = samples.theta[p.first.index], b = samples.theta[p.second.index], c = p.third && samples.theta[p.third.index], v = samples.values[quantity];
    for (let k = 0; k < v.length; k++) {
      if (c && Math.abs(c[k] - p.fixed[slice()]) >= p.third.range / part) continue;
      const x = unit(a[k], p.x[0], p.x[p.x.length - 1]), y = unit(b[k], p.y[0], p.y[p.y.length - 1]), z = unit(v[k], q.low, q.high);
      if (Math.abs(x) <= 1.001 && Math.abs(y) <= 1.001 && Number.isFinite(z)) out.push({ x, y, z: Math.min(Math.max(z, -1), 1) });
    }
    return out;
  }
  function draw() {
    waiting = false;
    if (!printing && !canvas.clientWidth) return;
    const ratio = printing ? 2 : window.devicePixelRatio || 1, s = style(), p = pair(), q = data.quantities[quantity];
    canvas.width = Math.round(s.width * ratio); canvas.height = Math.round(s.height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0); pen.clearRect(0, 0, s.width, s.height);
    const axes = { x: axis(p.x, p.first), y: axis(p.y, p.second), z: { ticks: roundTicks(q.low, q.high, 4).map(v => ({ at: unit(v, q.low, q.high), text: showNumber(v) })) } };
    const project = camera(view, s.width - (s.width < 500 ? 0 : 40), s.height), back = drawBox(pen, project, view, axes, s), g = grid(), dots = near();
    seen = { points: drawSheet(pen, project, g, dots, scale, s), g, p, q };
    labelBox(pen, project, view, axes, s, back);
    if (s.width >= 500) drawScale(pen, scale, axes.z, s);
    pen.fillStyle = s.ink; pen.font = "600 " + s.font; pen.textAlign = "left"; pen.textBaseline = "top";
    pen.fillText("Height: " + q.label + (sliceText() ? "; " + sliceText() : ""), 6, 4, s.width - 12);
    canvas.setAttribute("aria-label", "Response surface of " + q.label + " over " + p.first.label + " and " + p.second.label + (p.third ? ", " + sliceText() : "") + ", " + dots.length + " samples drawn. The table below holds its values.");
  }
  const redraw = () => { if (!waiting && !printing) { waiting = true; requestAnimationFrame(draw); } };
  const sliceText = () => { const p = pair(); return p.third ? p.third.label + " = " + showNumber(p.fixed[slice()], p.third.unit) : ""; };
  function table() {
    const g = grid(), p = pair(), pickAt = n => [...new Set(Array.from({ length: 7 }, (_, k) => Math.round(k * (n - 1) / 6)))];
    const columns = pickAt(g.nx), cell = (tag, text, scope) => { const c = document.createElement(tag); c.textContent = text; if (scope) c.scope = scope; if (scope !== "row") c.className = "num"; return c; };
    const head = document.createElement("tr"); head.append(document.createElement("td"), ...columns.map(i => cell("th", showNumber(p.x[i], p.first.unit), "col")));
    const rows = pickAt(g.ny).map(j => { const r = document.createElement("tr"); r.append(cell("th", showNumber(p.y[j], p.second.unit), "row"), ...columns.map(i => cell("td", showNumber(g.raw[j * g.nx + i])))); return r; });
    $("surface-table").tHead.replaceChildren(head); $("surface-table").tBodies[0].replaceChildren(...rows);
    $("surface-table-caption").textContent = p.first.label + " across, " + p.second.label + " down, " + data.quantities[quantity].label + (p.third ? ", at " + sliceText() : "");
  }
  function choose(fresh) {
    const p = pair(), slider = $("surface-slice");
    if (fresh) { slider.max = p.fixed.length - 1; slider.value = p.start; }
    $("surface-slice-label").hidden = !p.third || p.fixed.length < 2;
    $("surface-slice-text").textContent = sliceText(); slider.setAttribute("aria-valuetext", sliceText());
    table(); redraw();
  }
  function turn(how) {
    const step = 0.12, moves = { left: () => view.azimuth += step, right: () => view.azimuth -= step, up: () => view.elevation += step, down: () => view.elevation -= step,
      in: () => view.zoom *= 1.12, out: () => view.zoom /= 1.12, top: () => { view.azimuth = 0; view.elevation = Math.PI / 2; }, home: () => view = { ...HOME } };
    if (!moves[how]) return false;
    moves[how](); limit(); redraw(); return true;
  }
  function limit() { view.elevation = Math.min(Math.max(view.elevation, 0), Math.PI / 2); view.zoom = Math.min(Math.max(view.zoom, 0.5), 4); }
  const keys = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", "+": "in", "=": "in", "-": "out", Home: "home" };
  canvas.addEventListener("keydown", e => { if (!e.ctrlKey && !e.metaKey && keys[e.key] && turn(keys[e.key])) e.preventDefault(); });
  document.querySelectorAll("[data-turn]").forEach(b => b.addEventListener("click", () => turn(b.dataset.turn)));
  const held = new Map(); let gap = 0;
  canvas.addEventListener("pointerdown", e => { held.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); gap = 0; });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, e => { held.delete(e.pointerId); gap = 0; });
  canvas.addEventListener("pointermove", e => {
    const last = held.get(e.pointerId);
    if (!last) return hover(e);
    held.set(e.pointerId, e); hideTip();
    if (held.size === 2) {
      const [a, b] = [...held.values()], now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (gap) view.zoom *= now / gap;
      gap = now;
    } else { view.azimuth -= (e.clientX - last.clientX) * 0.009; view.elevation += (e.clientY - last.clientY) * 0.009; }
    limit(); redraw();
  });
  canvas.addEventListener("wheel", e => { if (e.ctrlKey || document.activeElement === canvas) { e.preventDefault(); view.zoom *= Math.exp(-e.deltaY * 0.0012); limit(); redraw(); } }, { passive: false });
  canvas.addEventListener("pointerleave", () => hideTip());
  function hover(e) {
    if (!seen || e.pointerType === "touch") return;
    const box = canvas.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    let best = -1, least = 14 * 14;
    seen.points.forEach((p, k) => { const d = (p.x - x) ** 2 + (p.y - y) ** 2 + p.depth; if (Number.isFinite(seen.g.raw[k]) && d < least) { least = d; best = k; } });
    if (best < 0) return hideTip();
    const { p, q, g } = seen;
    showTip(p.first.label + " " + showNumber(p.x[best % g.nx], p.first.unit) + ", " + p.second.label + " " + showNumber(p.y[Math.floor(best / g.nx)], p.second.unit) + " → " + q.label + " " + showNumber(g.raw[best]), e.clientX, e.clientY);
  }
  $("surface-pair").addEventListener("change", () => choose(true));
  $("surface-slice").addEventListener("input", () => choose(false));
  $("surface-window").addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(canvas);
  choose(true);
  return { redraw, print: on => { printing = on; draw(); }, quantity: key => { const k = data.quantities.findIndex(q => q.key === key); if (k >= 0) quantity = k; choose(false); } };
}

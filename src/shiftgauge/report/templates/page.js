// The page's switches: light or dark, the quantity shown, hints, where the reader is, and printing.
const tip = document.getElementById("tip");
function hideTip() { tip.hidden = true; }
function showTip(text, x, y) {
  tip.textContent = text; tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 12, window.innerWidth - box.width - 8)) + "px";
  tip.style.top = (y + box.height + 24 > window.innerHeight ? y - box.height - 10 : y + 16) + "px";
}
document.addEventListener("pointerover", e => { const at = e.target.closest && e.target.closest("[data-tip]"); if (at) showTip(at.dataset.tip, e.clientX, e.clientY); });
document.addEventListener("pointerout", e => { if (e.target.closest && e.target.closest("[data-tip]")) hideTip(); });

const root = document.documentElement, systemDark = window.matchMedia("(prefers-color-scheme: dark)"), button = document.getElementById("theme");
let chosen = null, surface = null;
function applyTheme() {
  const dark = chosen ? chosen === "dark" : systemDark.matches;
  root.dataset.theme = dark ? "dark" : "light";
  button.textContent = dark ? "Light" : "Dark";
  if (surface) surface.redraw();
}
button.addEventListener("click", () => { chosen = root.dataset.theme === "dark" ? "light" : "dark"; applyTheme(); });
systemDark.addEventListener("change", applyTheme);
applyTheme();

const source = document.getElementById("surface-data");
if (source) surface = startSurface(JSON.parse(source.textContent));
const pickers = [...document.querySelectorAll(".quantity-select, #surface-quantity")];
function showQuantity(key) {
  for (const part of document.querySelectorAll("[data-quantity]")) part.hidden = part.dataset.quantity !== key;
  for (const s of pickers) if ([...s.options].some(o => o.value === key)) s.value = key;
  if (surface) surface.quantity(key);
}
for (const s of pickers) s.addEventListener("change", () => showQuantity(s.value));
if (pickers.length) showQuantity("q0");

const links = new Map([...document.querySelectorAll(".contents a")].map(a => [a.getAttribute("href").slice(1), a]));
const watch = new IntersectionObserver(entries => {
  for (const e of entries) if (e.isIntersecting) { links.forEach(a => a.classList.remove("here")); links.get(e.target.id).classList.add("here"); }
}, { rootMargin: "-15% 0px -75% 0px" });
links.forEach((_, id) => { const section = document.getElementById(id); if (section) watch.observe(section); });

let opened = [];
function beforePrint() { opened = [...document.querySelectorAll("details:not([open]):not(.strip)")]; opened.forEach(d => { d.open = true; }); if (surface) surface.print(true); }
function afterPrint() { opened.forEach(d => { d.open = false; }); opened = []; if (surface) surface.print(false); }
window.addEventListener("beforeprint", beforePrint);
window.addEventListener("afterprint", afterPrint);

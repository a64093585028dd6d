// Draws a chart when it comes into view, in the colours of the page.

const figures = JSON.parse(document.getElementById("charts").textContent);
// Colours that the figures were made with, and the page's own in their place.
const COLOURS = {
  "#1d1d1f": "--ink", "#6e6e73": "--muted", "#e3e3e6": "--line", "#fffffe": "--paper",
  "#c2334d": "--accent",
};
const DASHES = { dash: "6 3", dot: "2 3" };
const drawn = new Map(); // node -> places of the curves that are hidden

/** A copy of a figure's values in the page's colours. */
const themed = (value, style, key = "") => {
  if (key.endsWith("color") && own(COLOURS, value)) return style.getPropertyValue(COLOURS[value]).trim();
  if (Array.isArray(value)) return value.map((each) => themed(each, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, style, k)]));
};

const swatch = ({ mode, line, marker }) =>
  svg("svg", { width: 22, height: 10, "aria-hidden": "true" }, mode === "markers"
    ? svg("path", { d: "M11 0l5 5-5 5-5-5z", fill: marker.color })
    : svg("path", {
      d: "M0 5h22", stroke: line.color, "stroke-width": line.width + 0.5,
      "stroke-dasharray": DASHES[line.dash] ?? "none",
    }));

/** A button a curve, which hides and shows it. */
const curveButtons = (node, data, hidden) => data.flatMap((trace, place) => {
  if (trace.meta === undefined) return [];
  const button = make("button", { type: "button", "aria-pressed": String(!hidden.has(place)) },
    swatch(trace), make("bdi", {}, visible(trace.meta)));
  button.addEventListener("click", () => {
    hidden[hidden.has(place) ? "delete" : "add"](place);
    draw(node);
  });
  return [button];
});

const draw = (node) => {
  const { data, layout } = themed(figures[node.dataset.figure], getComputedStyle(document.body));
  if (!drawn.has(node)) drawn.set(node, new Set());
  const hidden = drawn.get(node), names = node.parentElement.querySelector(".names");
  data.forEach((trace, place) => { trace.visible = !hidden.has(place); });
  const focused = [...names.children].indexOf(document.activeElement);
  names.replaceChildren(...curveButtons(node, data, hidden));
  names.children[focused]?.focus();
  return Plotly.react(node, data, layout, { displayModeBar: false, responsive: true });
};

const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    draw(target).then(() => performance.mark("chart"));
  }
}, { rootMargin: "300px" });
for (const node of document.querySelectorAll("[data-figure]")) inView.observe(node);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn.keys()].forEach(draw));

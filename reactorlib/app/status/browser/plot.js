// Draws the last two minutes of some figures, from right to left, in one <figure>.

import { UNITS, roundUp } from "./units.js";

export const KEPT = 120; // seconds
const SVG = "http://www.w3.org/2000/svg";

export class Plot {
  // data-names says which figures, data-unit how they are written, data-titles what they are
  // called if not by their names, and data-of the figure that they cannot exceed.
  constructor(figure) {
    const { names, unit, titles, of } = figure.dataset;
    this.names = names.split(" ");
    this.unit = unit;
    this.of = of;
    this.samples = [];
    this.title = figure.textContent.trim();
    this.legend = figure.appendChild(element("ul", { class: "legend" }));
    this.most = figure.appendChild(element("div", { class: "most", "aria-hidden": "true" }));
    this.svg = figure.appendChild(element("svg", {
      viewBox: `0 0 ${KEPT} 100`, preserveAspectRatio: "none", role: "img",
    }, SVG));
    const called = (titles ?? (this.names.length > 1 ? names : "")).split(" ");
    this.series = this.names.map((name, i) => this.prepare(name, called[i], i));
  }

  prepare(name, title, i) {
    const item = this.legend.appendChild(element("li", { class: `series-${i}` }));
    if (title) item.append(`${title} `);
    const lines = this.svg.appendChild(element("g", { class: `series-${i}` }, SVG));
    return {
      name,
      value: item.appendChild(element("b")),
      limit: item.appendChild(element("small")),
      area: lines.appendChild(element("path", { class: "area" }, SVG)),
      line: lines.appendChild(element("path", {}, SVG)),
    };
  }

  add(time, figures, chosen) {
    this.samples.push({ time, figures });
    while (time - this.samples[0].time > KEPT) this.samples.shift();
    this.draw(chosen);
  }

  draw(chosen) {
    const samples = this.samples.filter(({ figures }) => figures.has(chosen));
    const rows = samples.map(({ time, figures }) => ({ time, ...figures.get(chosen) }));
    const last = rows.at(-1);
    const highest = Math.max(...rows.flatMap((row) => this.names.map((name) => row[name])));
    const top = roundUp(highest, this.unit);
    const show = UNITS[this.unit];
    this.most.textContent = show(top);
    this.svg.setAttribute("aria-label", `${this.title}: at most ${show(highest)} in two minutes`);
    for (const { name, value, limit, area, line } of this.series) {
      value.textContent = show(last[name]);
      if (this.of) limit.textContent = ` of ${show(last[this.of])}`;
      const points = rows.map((row) =>
        `${(KEPT - last.time + row.time).toFixed(2)},${(100 - (100 * row[name]) / top).toFixed(2)}`);
      const [first] = points[0].split(",");
      line.setAttribute("d", `M${points.join("L")}`);
      area.setAttribute("d", `M${first},100L${points.join("L")}L${KEPT},100Z`);
    }
  }
}

function element(name, attributes = {}, space = "http://www.w3.org/1999/xhtml") {
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

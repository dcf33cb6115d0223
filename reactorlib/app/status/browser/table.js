// Brings a table up to date. It changes what has changed and nothing else, so that what
// somebody has selected there stays so.

import { UNITS } from "./units.js";

export function fill(id, body, foot) {
  const table = document.getElementById(id);
  const columns = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.dataset);
  fillSection(table.tBodies[0], columns, body);
  fillSection(table.tFoot, columns, foot);
}

function fillSection(section, columns, rows) {
  while (section.rows.length > rows.length) section.deleteRow(-1);
  rows.forEach((row, i) => {
    const cells = (section.rows[i] ?? newRow(section, columns)).cells;
    put(cells[0], row.name);
    columns.forEach(({ name, unit }, k) => put(cells[k + 1], UNITS[unit](row[name])));
  });
}

function newRow(section, columns) {
  const row = section.insertRow();
  const head = row.appendChild(document.createElement("th"));
  head.scope = "row";
  for (const { unit } of columns) row.insertCell().className = unit;
  return row;
}

function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

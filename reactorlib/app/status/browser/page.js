// Asks for the figures each second, while the page is seen, and shows them: in plots, and in
// the tables that came with the page. What stands where is said there, by data- attributes.

import { FIGURES } from "./figures.js";
import { KEPT, Plot } from "./plot.js";
import { fill } from "./table.js";

const PERIOD = 1000; // milliseconds
const PATIENCE = 5000;
// How many rows a list has at most, and by what they are sorted.
const LISTS = {
  busiest: [10, ({ received, sent }) => received + sent],
  slowest: [5, ({ seconds }) => seconds],
  queues: [10, ({ waiting }) => waiting],
};

const chosen = document.getElementById("chosen");
const plots = [...document.querySelectorAll("figure")].map((figure) => new Plot(figure));
let before = null; // looks by process
let slow = []; // callbacks of the time that the plots show

async function ask() {
  try {
    const answer = await fetch("figures", { signal: AbortSignal.timeout(PATIENCE) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // it has ended, or hangs
  }
}

function nameOf(look) {
  const name = look.worker === null ? `process ${look.process}` : `worker ${look.worker}`;
  return look.draining ? `${name} (leaves)` : name;
}

function figuresOf(pairs) {
  return Object.fromEntries(Object.entries(FIGURES).map(([name, of]) => [name, of(pairs)]));
}

function show({ state, looks }) {
  const known = before;
  before = new Map(looks.map((look) => [look.process, look]));
  tell(state, state);
  if (!known) return; // the figures per second are those between two looks
  const pairs = looks.map((look) => [known.get(look.process) ?? look, look]);
  const rows = pairs.map((pair) => ({ name: nameOf(pair[1]), ...figuresOf([pair]) }));
  const all = { name: "all", ...figuresOf(pairs) };
  choose(looks);
  const now = performance.now() / 1000;
  const figures = new Map([["all", all], ...looks.map((look, i) => [String(look.process), rows[i]])]);
  for (const plot of plots) plot.add(now, figures, chosen.value);
  fill("processes", rows, rows.length === 1 ? [] : [all]);
  fillList("busiest", entriesOf(looks, "busiest"));
  fillList("queues", entriesOf(looks, "queues"));
  fillList("slowest", slowestAt(now, looks));
}

function entriesOf(looks, list) {
  return looks.flatMap((look) => look[list].map((entry) => ({ name: nameOf(look), ...entry })));
}

// Of each callback the longest call: it would be seen for a moment only, otherwise.
function slowestAt(now, looks) {
  const called = entriesOf(looks, "slowest").map((entry) => ({ time: now, ...entry }));
  slow = slow.filter(({ time }) => now - time <= KEPT).concat(called);
  const longest = new Map();
  for (const call of slow) {
    const key = `${call.name} ${call.what}`;
    if (!(longest.get(key)?.seconds > call.seconds)) longest.set(key, call);
  }
  return [...longest.values()];
}

function fillList(id, entries) {
  const [most, by] = LISTS[id];
  fill(id, entries.sort((one, other) => by(other) - by(one)).slice(0, most), []);
}

function tell(kind, text) {
  const place = document.getElementById("state");
  place.className = kind;
  place.textContent = text;
}

function choose(looks) {
  const options = [
    new Option("all processes", "all"),
    ...looks.map((look) => new Option(nameOf(look), look.process)),
  ];
  const same = options.length === chosen.length &&
    options.every((option, i) => option.text === chosen[i].text && option.value === chosen[i].value);
  if (same) return;
  const value = chosen.value;
  chosen.replaceChildren(...options);
  chosen.value = options.some((option) => option.value === value) ? value : "all";
  chosen.parentElement.hidden = looks.length === 1;
}

async function turn() {
  if (!document.hidden) {
    const told = await ask();
    if (told) show(told);
    else tell("silent", "no answer");
  }
  setTimeout(turn, PERIOD);
}

document.getElementById("plots").hidden = false;
turn();

// The figures that are made of looks, each of pairs: of a process, what was told before and
// what is told now.

const sum = (items, of) => items.reduce((total, item) => total + of(item), 0);

const now = (of) => (pairs) => sum(pairs, ([, look]) => of(look));
const field = (name) => now((look) => look[name]);
const state = (name) => now((look) => look.connections[name] ?? 0);
const inQueues = (name) => now((look) => sum(look.queues, (queue) => queue[name]));

const change = (pairs, name) => sum(pairs, ([before, look]) => look[name] - before[name]);
const perSecond = (name) => (pairs) =>
  sum(pairs, ([before, look]) => (look[name] - before[name]) / (look.clock - before.clock || 1));

const most = (name) => (pairs) => Math.max(0, ...pairs.map(([, look]) => look[name]));

export const FIGURES = {
  connections: now((look) => sum(Object.values(look.connections), Number)),
  open: state("open"),
  paused: state("paused"),
  closing: state("closing"),
  lingering: state("lingering"),
  accepted: perSecond("accepted"),
  received: perSecond("received"),
  sent: perSecond("sent"),
  turn: (pairs) => change(pairs, "events") / (change(pairs, "turns") || 1),
  lag: most("lag"),
  buffered: field("buffered"),
  descriptors: field("descriptors"),
  descriptor_limit: field("descriptor_limit"),
  memory: field("memory"),
  processor: perSecond("processor"),
  waiting: inQueues("waiting"),
  queue_limit: inQueues("limit"),
  uptime: most("uptime"),
};

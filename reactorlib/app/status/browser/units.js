// Figures in units, for people; written as the server writes them (tables.py).

const BYTES = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SECONDS = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"]];

function number(value, digits = value < 10 ? 1 : 0) {
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function bytes(value) {
  let unit = 0;
  while (value >= 1024 && unit < BYTES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit && 1)} ${BYTES[unit]}`;
}

function seconds(value) {
  const [size, unit] = SECONDS.find(([size]) => value >= size) ?? [1e-6, "µs"];
  return `${number(value / size)} ${unit}`;
}

export const UNITS = {
  text: (value) => value,
  number,
  bytes,
  seconds,
  share: (value) => `${number(value * 100)} %`,
};

const LEAST = { number: 10, bytes: 1024, seconds: 0.001, share: 1 };

// A round figure, no less than that, to end a scale with.
export function roundUp(value, unit) {
  if (value <= LEAST[unit]) return LEAST[unit];
  if (unit === "bytes") return 2 ** Math.ceil(Math.log2(value));
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((round) => round >= value);
}

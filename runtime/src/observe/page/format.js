// Numbers for people, and elements without HTML in strings: what tasks wrote is only ever text.

const UNITS = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];

// `nanoseconds` with three digits, or as many as tell it from others `step` apart.
function time(nanoseconds, step) {
  if (!Number.isFinite(nanoseconds)) return "–";
  const size = Math.abs(nanoseconds);
  if (size >= 60e9 && !step) {
    const seconds = Math.round(size / 1e9);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const two = (n) => String(n).padStart(2, "0");
    return h ? `${h} h ${two(m)} min` : `${m} min ${two(s)} s`;
  }
  if (size === 0) return "0 s";
  let [unit, scale] = UNITS[0];
  for (const [name, per] of UNITS) if (size >= per * 0.9995) [unit, scale] = [name, per];
  const value = nanoseconds / scale;
  let digits = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  if (step) digits = Math.max(0, Math.ceil(-Math.log10(step / scale) - 1e-9));
  if (scale === 1 && !step) digits = Number.isInteger(value) ? 0 : digits;
  return `${value.toFixed(Math.min(9, digits))}\u202f${unit}`;
}

function bytes(count) {
  if (!count) return "0\u202fB";
  let [value, unit] = [count, "B"];
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1000) break;
    value /= 1024;
    unit = next;
  }
  return `${unit === "B" ? value : value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}\u202f${unit}`;
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const whole = (count) => grouped.format(count);

function rate(perSecond) {
  if (!Number.isFinite(perSecond)) return "–";
  for (const [limit, by, unit] of [[9.995e8, 1e9, " G"], [9.995e5, 1e6, " M"], [9.995e3, 1e3, " k"]]) {
    if (perSecond >= limit) return `${(perSecond / by).toPrecision(3)}\u202f${unit.trim()}/s`;
  }
  return `${perSecond >= 99.5 ? whole(perSecond) : perSecond.toPrecision(3)}/s`;
}

const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(share > 0.9995 || share === 0 ? 0 : 1)}\u202f%` : "–");
const plural = (count, one, many) => `${whole(count)} ${count === 1 ? one : many}`;

// The last `parts` parts of a path of Rust, generic arguments left alone.
function tail(name, parts) {
  const generic = name.includes("<") ? name.slice(name.indexOf("<")) : "";
  return name.split("<")[0].split("::").slice(-parts).join("::") + generic;
}

// Short names that tell all functions apart.
function shorten(names) {
  for (let parts = 1; parts < 8; parts += 1) {
    const short = names.map((name) => tail(name, parts));
    if (new Set(short).size === names.length) return short;
  }
  return names;
}

const find = (id) => document.getElementById(id);

// An element with attributes, and children that are elements or text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

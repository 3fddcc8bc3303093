// Colours for canvases, from the style sheet, which knows light from dark.

const scheme = window.matchMedia("(prefers-color-scheme: dark)");

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["page", "card", "text", "muted", "line", "faint", "accent", "bad", "again-mark", "start"];
  const colours = { functions: [] };
  for (const name of names) colours[name] = read(name);
  for (let i = 0; i <= FIRST_COLOURS; i += 1) colours.functions.push(read(`c${i}`));
  colours.function = (index) => colours.functions[Math.min(index, FIRST_COLOURS)];
  colours.sans = read("sans");
  return colours;
}

// A canvas as large as it is shown, in pixels of the screen, cleared.
function fresh(canvas, height) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || canvas.parentElement.clientWidth;
  if (height) canvas.style.height = `${height}px`;
  const tall = height || canvas.clientHeight;
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(tall * scale))];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, tall);
  return { pen, width, height: tall };
}

// Places of round numbers between `from` and `to`, about `gap` apart, and how far they are apart.
function ticks(from, to, wanted) {
  const rough = (to - from) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const places = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to * (1 + 1e-12); i += 1) places.push(i * step);
  return { step, places };
}

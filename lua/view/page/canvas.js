// What the drawings share: canvases as sharp as the screen, colours of the style sheet, ticks, numbers as text, and
// drawing once a frame at most.

const wanted = new Set();

function frame() {
  const list = [...wanted];
  wanted.clear();
  for (const draw of list) draw();
}

// Calls `draw` before the next frame, once, however often it is asked for.
export function redraw(draw) {
  if (wanted.size === 0) requestAnimationFrame(frame);
  wanted.add(draw);
}

// Calls `draw` (throttled) whenever the canvas' size or the colours have changed.
export function follow(canvas, draw) {
  new ResizeObserver(() => redraw(draw)).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(draw));
}

// The empty canvas' context and its size in CSS pixels; null while it is not shown.
export function prepare(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, sharp = devicePixelRatio || 1;
  if (!width || !height) return null;
  const across = Math.round(width * sharp), down = Math.round(height * sharp);
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

// A colour of the style sheet, by name: "d" is what --d says there.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// A colour "#rrggbb" as three numbers.
export function channels(name) {
  const text = colour(name);
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

// Round numbers from low to high, about `count` of them: steps of 1, 2 or 5 times a power of ten.
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) list.push(i * step);
  return list;
}

// A number for a reader: 0.0123, 1.5e-7, 12k where it is an axis'.
export function said(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    return value.toExponential(Math.min(2, digits - 1)).replace(/\.?0+e/, "e").replace("e+", "e")
      .replace(/-(?=\d+\.|\d+e)/, "−");
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

export function count(value) {
  return value >= 10000 && value % 100 === 0 ? `${value / 1000}k` : String(value);
}

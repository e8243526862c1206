// Curves over the iterations: axes, a faint line of what was measured and a strong one of its moving average, a legend
// that shows the last values, or those where one points (with the mouse, a finger, or the arrow keys).

import { colour, count, follow, prepare, redraw, said, ticks } from "/canvas.js";

const left = 48, right = 10, top = 8, bottom = 24;
const dashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const charts = new Set();
let pointed = null; // the iteration that is pointed at, in all charts

// The value that has this share of a sorted list below it.
function quantile(sorted, share) { return sorted[Math.round(share * (sorted.length - 1))]; }

// Logarithms of 1, 2 and 5 times powers of ten, or of the powers alone where those would be many.
function logarithmicTicks(low, high) {
  if (high - low > 2) return ticks(low, high, 4).filter(Number.isInteger);
  const list = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const one of [1, 2, 5]) list.push(power + Math.log10(one));
  }
  return list.filter((one) => one >= low && one <= high);
}

// The mean over so many neighbours on either side, those that are missing left out.
function smooth(list, reach) {
  const sums = [0], counts = [0];
  list.forEach((value, i) => {
    sums.push(sums[i] + (Number.isNaN(value) ? 0 : value));
    counts.push(counts[i] + (Number.isNaN(value) ? 0 : 1));
  });
  return list.map((value, i) => {
    const from = Math.max(0, i - reach), to = Math.min(list.length, i + reach + 1), n = counts[to] - counts[from];
    return Number.isNaN(value) || !n ? NaN : (sums[to] - sums[from]) / n;
  });
}

// The row whose iteration is nearest.
function nearest(iterations, wanted) {
  let low = 0, high = iterations.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (iterations[middle] < wanted) low = middle; else high = middle;
  }
  return wanted - iterations[low] < iterations[high] - wanted ? low : high;
}

export class Chart {
  // id; title; logarithmic: where all values are above 0; lines: what to draw, { name, series, column, colour, dash }[]
  constructor({ id, title, logarithmic = false, range = null }) {
    Object.assign(this, { title, logarithmic, range, lines: [], told: -Infinity });
    this.section = document.createElement("section");
    this.section.id = `chart-${id}`;
    this.section.setAttribute("aria-labelledby", `chart-${id}-title`);
    const heading = document.createElement("h2");
    heading.id = `chart-${id}-title`;
    heading.textContent = title + (logarithmic ? " (logarithmic)" : "");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${title}: none yet`);
    this.canvas.tabIndex = 0;
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.section.append(heading, this.canvas, this.legend);
    this.draw = this.draw.bind(this);
    follow(this.canvas, this.draw);
    this.canvas.addEventListener("pointermove", (event) => this.point(this.iterationAt(event.offsetX)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.walk(event));
    charts.add(this);
  }

  refresh() { redraw(this.draw); }

  remove() {
    charts.delete(this);
    this.section.remove();
  }

  point(iteration) {
    pointed = iteration;
    for (const chart of charts) redraw(chart.draw);
  }

  walk(event) {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.point(null);
    if (!sign || !this.span) return;
    event.preventDefault();
    const [low, high] = this.span, from = pointed === null ? high : pointed;
    this.point(Math.min(high, Math.max(low, from + sign * (high - low) / 100)));
  }

  iterationAt(x) {
    if (!this.span) return null;
    const [low, high] = this.span;
    return low + Math.min(1, Math.max(0, (x - left) / (this.canvas.clientWidth - left - right))) * (high - low);
  }

  show(lines) {
    this.lines = lines;
    this.legend.replaceChildren(...lines.map((line) => {
      const item = document.createElement("li"), value = document.createElement("b");
      item.className = "key";
      item.style.setProperty("--key", `var(--${line.colour})`);
      item.append(`${line.name} `, value);
      line.value = value;
      return item;
    }));
    redraw(this.draw);
  }

  // The axes' ends; null where there is nothing to draw yet.
  measure(drawn) {
    let first = Infinity, last = -Infinity;
    const all = [];
    for (const { x, y, even } of drawn) {
      first = Math.min(first, x[0]);
      last = Math.max(last, x[x.length - 1]);
      for (const value of y) if (Number.isFinite(value)) all.push(value);
      for (const value of even) if (Number.isFinite(value)) all.push(value, value);
    }
    if (all.length === 0 || last <= first) return null;
    all.sort((a, b) => a - b);
    let [low, high] = this.range || [quantile(all, 0.005), quantile(all, 0.995)];
    if (!this.range) {
      const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || (this.logarithmic ? 0.5 : 1);
      low -= room;
      high += room;
    }
    return { first, last, low, high };
  }

  draw() {
    const got = prepare(this.canvas);
    if (!got) return;
    const { context, width, height } = got;
    const drawn = this.lines.map((line) => {
      const values = line.series.list(line.column);
      const y = this.logarithmic ? values.map((value) => (value > 0 ? Math.log10(value) : NaN)) : values;
      return { line, x: line.series.iteration, y, even: smooth(y, Math.floor(y.length / 60)) };
    }).filter((one) => one.x.length);
    const ends = this.measure(drawn);
    this.span = ends && [ends.first, ends.last];
    this.tell(drawn);
    if (!ends) return;
    const { first, last, low, high } = ends;
    const across = (x) => left + (x - first) / (last - first) * (width - left - right);
    const down = (y) => top + (high - y) / (high - low) * (height - top - bottom);
    this.axes(context, { width, height, first, last, low, high, across, down });
    context.save();
    context.beginPath();
    context.rect(left, top, width - left - right, height - top - bottom);
    context.clip();
    for (const { line, x, y, even } of drawn) {
      context.strokeStyle = colour(line.colour);
      context.setLineDash([]);
      this.stroke(context, x, y, across, down, 0.22, 1);
      context.setLineDash(dashes[(line.dash || 0) % dashes.length]);
      this.stroke(context, x, even, across, down, 1, 1.8);
    }
    context.restore();
    if (pointed !== null && pointed >= first && pointed <= last) {
      context.fillStyle = colour("soft");
      context.fillRect(Math.round(across(pointed)), top, 1, height - top - bottom);
    }
  }

  axes(context, { width, height, first, last, low, high, across, down }) {
    context.textBaseline = "middle";
    context.textAlign = "right";
    const rows = this.logarithmic ? logarithmicTicks(low, high) : ticks(low, high, 4);
    for (const value of rows) {
      const y = Math.round(down(value));
      context.fillStyle = colour(value === 0 && !this.logarithmic ? "soft" : "line");
      context.fillRect(left, y, width - left - right, 1);
      context.fillStyle = colour("soft");
      context.fillText(this.logarithmic ? said(10 ** value, 2) : said(Number(value.toPrecision(10))), left - 7, y);
    }
    context.textBaseline = "top";
    const columns = ticks(first, last, Math.max(2, Math.floor(width / 75))).filter(Number.isInteger);
    for (const value of columns) {
      const x = across(value), text = count(value), half = context.measureText(text).width / 2;
      context.fillStyle = colour("line");
      context.fillRect(Math.round(x), height - bottom, 1, 4);
      context.fillStyle = colour("soft");
      context.textAlign = "center";
      context.fillText(text, Math.min(x, width - half - 1), height - bottom + 7);
    }
  }

  stroke(context, x, y, across, down, alpha, thick) {
    context.globalAlpha = alpha;
    context.lineWidth = thick;
    context.lineJoin = "round";
    context.beginPath();
    let on = false;
    for (let i = 0; i < x.length; i++) {
      if (Number.isNaN(y[i])) continue; // a gap is bridged: some columns are measured rarely
      if (on) context.lineTo(across(x[i]), down(y[i])); else context.moveTo(across(x[i]), down(y[i]));
      on = true;
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  // The legend's numbers, and now and then the canvas' words for who does not see it.
  tell(drawn) {
    const words = [];
    for (const { line, x } of drawn) {
      const { series, column } = line;
      const value = pointed === null ? series.last(column) : series.at(column, nearest(x, pointed));
      line.value.textContent = said(value);
      words.push(`${line.name} ${said(value)}`);
    }
    const now = performance.now();
    if (now - this.told < 3000 && pointed === null) return;
    this.told = now;
    const where = pointed === null ? "last values" : `iteration ${Math.round(pointed)}`;
    this.canvas.setAttribute("aria-label", `${this.title}: ${where}: ${words.join(", ") || "none yet"}`);
  }
}

// The histogram of D's scores, and the schedule as a strip of coloured moves.

import { colour, follow, prepare, redraw, said, ticks } from "/canvas.js";

export class Histogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.news = null;
    this.draw = this.draw.bind(this);
    follow(canvas, this.draw);
  }

  // An event `histogram`.
  show(news) {
    this.news = news;
    redraw(this.draw);
  }

  draw() {
    const got = prepare(this.canvas);
    if (!got || !this.news) return;
    const { context, width, height } = got, { low, high } = this.news, bottom = 24, side = 8;
    const lists = [["real", this.news.real], ["fake", this.news.fake]].filter(([, list]) => list);
    const most = Math.max(1, ...lists.flatMap(([, list]) => list));
    const across = (x) => side + (high > low ? (x - low) / (high - low) : 0.5) * (width - 2 * side);
    const base = height - bottom;
    context.fillStyle = colour("line");
    context.fillRect(side, base, width - 2 * side, 1);
    for (const [name, list] of lists) {
      const step = (width - 2 * side) / list.length;
      context.fillStyle = context.strokeStyle = colour(name);
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(side, base);
      list.forEach((count, i) => {
        const y = base - count / most * (base - 6);
        context.lineTo(side + i * step, y);
        context.lineTo(side + (i + 1) * step, y);
      });
      context.lineTo(width - side, base);
      context.globalAlpha = 0.3;
      context.fill();
      context.globalAlpha = 1;
      context.stroke();
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of ticks(low, high, Math.max(2, Math.floor(width / 90)))) {
      const text = said(Number(value.toPrecision(10))), half = context.measureText(text).width / 2;
      context.fillStyle = colour("soft");
      context.fillRect(Math.round(across(value)), base, 1, 4);
      context.fillText(text, Math.min(width - half, Math.max(half, across(value))), base + 7);
    }
    this.tell(lists);
  }

  tell(lists) {
    const { low, high, iteration } = this.news;
    const means = lists.map(([name, list]) => {
      const total = list.reduce((sum, one) => sum + one, 0);
      const mean = list.reduce((sum, one, i) => sum + one * (low + (i + 0.5) / list.length * (high - low)), 0) / total;
      return `${name === "real" ? "real" : "generated"} about ${said(mean, 2)}`;
    });
    this.canvas.setAttribute("aria-label",
      `D's scores at iteration ${iteration}, from ${said(low)} to ${said(high)}: mean of ${means.join(", of ")}`);
  }
}

const kept = 400, names = { d: "D", g: "G", b: "both" };

export class Strip {
  constructor(canvas, text) {
    Object.assign(this, { canvas, text, kinds: "", last: 0 });
    this.draw = this.draw.bind(this);
    follow(canvas, this.draw);
  }

  clear() {
    this.kinds = "";
    this.last = 0;
  }

  // An event `moves`: moves in between may be missing, and some may come twice.
  add({ first, kinds }) {
    const known = Math.max(0, this.last + 1 - first);
    if (this.last && first > this.last + 1) this.kinds = "";
    this.kinds = (this.kinds + kinds.slice(known)).slice(-kept);
    this.last = Math.max(this.last, first + kinds.length - 1);
    redraw(this.draw);
  }

  draw() {
    const got = prepare(this.canvas);
    if (!got) return;
    const { context, width, height } = got, step = 8, lane = (height - 2) / 2;
    const shown = this.kinds.slice(-Math.floor(width / step)), start = width - shown.length * step;
    context.fillStyle = colour("faint");
    context.fillRect(0, 0, width, lane);
    context.fillRect(0, lane + 2, width, lane);
    [...shown].forEach((kind, i) => {
      context.fillStyle = colour(kind === "b" ? "both" : kind);
      if (kind !== "g") context.fillRect(start + i * step + 1, 0, step - 2, lane);
      if (kind !== "d") context.fillRect(start + i * step + 1, lane + 2, step - 2, lane);
    });
    const share = [...this.kinds].filter((kind) => kind !== "g").length / Math.max(1, this.kinds.length);
    this.text.textContent = `move ${this.last}; D in ${Math.round(100 * share)} % of the last ${this.kinds.length}`;
    const latest = [...this.kinds.slice(-12)].map((kind) => names[kind] || kind).join(", ");
    this.canvas.setAttribute("aria-label", `The last moves: ${latest}`);
  }
}

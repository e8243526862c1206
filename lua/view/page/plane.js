// Two-dimensional data: real and generated points, and D's score behind them as a heat map with the line where it is 0.
// The generated points come from the same latents each time, so they walk from where they were to where they are.

import { channels, colour, follow, prepare, redraw, said } from "/canvas.js";

const walk = 300; // milliseconds
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// The score that has most of the colour that means "surely": most scores lie below it and stay distinct.
function scale(values) {
  const sizes = values.filter(Number.isFinite).map(Math.abs).sort((a, b) => a - b);
  return sizes[Math.floor(sizes.length * 0.8)] || 1;
}

// Where the surface crosses 0 between two corners of a cell, as a share of the way; null where it does not.
function crossing(a, b) { return (a < 0) !== (b < 0) ? a / (a - b) : null; }

export class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.heat = document.createElement("canvas");
    this.draw = this.draw.bind(this);
    follow(canvas, () => {
      this.paint();
      this.draw();
    });
    this.clear();
  }

  clear() { Object.assign(this, { news: null, from: null, chosen: [], began: 0, told: 0 }); }

  // An event `points`.
  show(news) {
    const walks = this.news && this.news.fake.length === news.fake.length && !calm.matches;
    this.from = walks ? this.places(performance.now()) : null;
    this.news = news;
    this.began = performance.now();
    this.paint();
    redraw(this.draw);
  }

  // Points that the viewer has asked for.
  choose(points) {
    this.chosen = points;
    redraw(this.draw);
  }

  // The heat map, a pixel for each value.
  paint() {
    const surface = this.news && this.news.surface;
    if (!surface) return;
    const { side, values } = surface, most = scale(values);
    const [low, middle, high] = ["low", "plane", "high"].map(channels);
    this.heat.width = this.heat.height = side;
    const context = this.heat.getContext("2d"), image = context.createImageData(side, side);
    values.forEach((value, i) => {
      const share = Math.tanh((value || 0) / most), end = share < 0 ? low : high;
      const at = 4 * ((side - 1 - Math.floor(i / side)) * side + i % side);
      for (let c = 0; c < 3; c++) image.data[at + c] = middle[c] + (end[c] - middle[c]) * Math.abs(share);
      image.data[at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  // Where the generated points are on their way.
  places(now) {
    const { fake } = this.news, { from } = this;
    const part = from ? Math.min(1, (now - this.began) / walk) : 1;
    if (part === 1) return fake;
    const eased = part * (2 - part);
    return fake.map(([x, y], i) => [from[i][0] + (x - from[i][0]) * eased, from[i][1] + (y - from[i][1]) * eased]);
  }

  // The corners of what is shown: those of the surface, or around the points.
  corners() {
    const { surface, real, fake } = this.news;
    if (surface) return { low: surface.low, high: surface.high };
    let reach = 0;
    for (const [x, y] of real || fake) reach = Math.max(reach, Math.abs(x), Math.abs(y));
    reach = reach * 1.2 || 1;
    return { low: [-reach, -reach], high: [reach, reach] };
  }

  draw() {
    const got = prepare(this.canvas);
    if (!got || !this.news) return;
    const { context, width, height } = got, { low, high } = this.corners();
    const across = (x) => (x - low[0]) / (high[0] - low[0]) * width;
    const down = (y) => (high[1] - y) / (high[1] - low[1]) * height;
    if (this.news.surface) {
      context.imageSmoothingEnabled = true;
      const { side } = this.news.surface, cell = side / (side - 1); // the values stand on the edges, too
      const wide = width * cell, tall = height * cell;
      context.drawImage(this.heat, (width - wide) / 2, (height - tall) / 2, wide, tall);
      this.zero(context, width, height);
    } else {
      context.fillStyle = colour("faint");
      context.fillRect(0, 0, width, height);
    }
    const now = performance.now();
    this.dots(context, this.news.real || [], across, down, "real", 2);
    this.dots(context, this.places(now), across, down, "fake", 2);
    this.dots(context, this.chosen, across, down, "text", 6);
    if (this.from && now - this.began < walk) redraw(this.draw);
    this.tell(now);
  }

  dots(context, points, across, down, name, radius) {
    context.fillStyle = colour(name);
    context.globalAlpha = radius > 3 ? 1 : 0.75;
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(across(x), down(y), radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  // The line between what D holds for real and for fake, cell by cell.
  zero(context, width, height) {
    const { side, values } = this.news.surface;
    context.strokeStyle = colour("text");
    context.globalAlpha = 0.55;
    context.lineWidth = 1.2;
    context.beginPath();
    for (let row = 0; row + 1 < side; row++) {
      for (let column = 0; column + 1 < side; column++) {
        const i = row * side + column;
        const [a, b, c, d] = [values[i], values[i + 1], values[i + side + 1], values[i + side]];
        const sides = [[crossing(a, b), 0, 0, 1, 0], [crossing(b, c), 1, 0, 0, 1], [crossing(d, c), 0, 1, 1, 0],
          [crossing(a, d), 0, 0, 0, 1]];
        const ends = sides.filter(([share]) => share !== null).map(([share, x, y, dx, dy]) => [
          (column + x + share * dx) / (side - 1) * width, height - (row + y + share * dy) / (side - 1) * height]);
        for (let k = 0; k + 1 < ends.length; k += 2) {
          context.moveTo(...ends[k]);
          context.lineTo(...ends[k + 1]);
        }
      }
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  tell(now) {
    if (now - this.told < 3000) return;
    this.told = now;
    const { iteration, real, fake, surface } = this.news;
    const scores = surface ? surface.values.filter(Number.isFinite) : [];
    let low = Infinity, high = -Infinity;
    for (const one of scores) { low = Math.min(low, one); high = Math.max(high, one); }
    const range = scores.length ? `; D's score goes from ${said(low)} to ${said(high)}` : "";
    this.canvas.setAttribute("aria-label",
      `${real ? real.length : 0} real and ${fake.length} generated points at iteration ${iteration}${range}`);
  }
}

// A server that speaks the view's contract with a run that is made up: the page can be looked at and driven without a
// training. Usage: node fake.mjs FOLDER-OF-THE-PAGE [PORT] [image|points|finished]; prints its address.

import { createServer } from "node:http";
import { readFileSync, existsSync } from "node:fs";
import { deflateSync, crc32 as zlibCrc } from "node:zlib";

const [folder, port = "0", kind = "points"] = process.argv.slice(2);
const types = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const policy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'";
const hostile = "<img src=x onerror=\"document.title='owned'\">";
const finished = kind === "finished";

let state = finished ? "finished" : "running", iteration = 0, moves = 0, commands = 0;
const viewers = new Set(), past = [], pictures = [];
const settings = [{ name: "generator.lr", value: 0.001, text: "cosine{from=0.001, to=0, over=16000}" },
  { name: "r1.weight", value: 10, text: "10" }, { name: "loss.margin", value: 1, text: "1" }];

// A PNG of w x h grey values.
function crc(bytes) {
  if (zlibCrc) return zlibCrc(bytes);
  let c = ~0;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

function chunk(name, data) {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(name, 4);
  data.copy(out, 8);
  out.writeUInt32BE(crc(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

function png(w, h, value) {
  const head = Buffer.alloc(13), rows = Buffer.alloc(h * (w + 1));
  head.writeUInt32BE(w, 0);
  head.writeUInt32BE(h, 4);
  head[8] = 8;
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) rows[y * (w + 1) + 1 + x] = value(x, y);
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0))]);
}

// Blobs that become sharper as the run goes on.
function sample(at, columns = 8, rows = 8) {
  const blur = 0.2 + 3 * Math.exp(-at / 400);
  return png(columns * 28, rows * 28, (x, y) => {
    const i = Math.floor(x / 28) + 8 * Math.floor(y / 28), u = (x % 28) / 14 - 1, v = (y % 28) / 14 - 1;
    const edge = 0.55 + 0.2 * Math.cos(i * 3 + Math.atan2(v, u) * (i % 4));
    const off = Math.hypot(u * (1 + 0.3 * Math.sin(i)), v) - edge;
    return 255 * Math.exp(-((off / (0.08 * (1 + blur))) ** 2));
  });
}

function normal() { return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()); }

function row(at, more = 0) {
  const fade = Math.exp(-at / 900);
  return { d_loss: 1.3 - 0.4 * fade + 0.12 * normal() + more, g_loss: 0.7 + 0.8 * fade + 0.2 * normal(),
    real: 0.4 + 0.5 * fade + 0.1 * normal(), fake: -0.4 - 0.5 * fade + 0.1 * normal(),
    accuracy: Math.min(1, 0.6 + 0.3 * fade + 0.05 * normal()),
    d_penalty: 0.01 * fade + 0.001 + 1e-4 * Math.abs(normal()),
    d_grad_norm: 0.3 * Math.exp(0.3 * normal()) + fade, g_grad_norm: 0.1 * Math.exp(0.3 * normal()),
    fid: at % 200 === 0 ? 20 + 200 * fade : null };
}

function metrics(run, from, to, step, more) {
  const its = [], values = {};
  for (let at = from; at <= to; at += step) {
    its.push(at);
    for (const [name, value] of Object.entries(row(at, more))) (values[name] ||= []).push(value);
  }
  return { run, iteration: its, values };
}

const angles = Array.from({ length: 400 }, (_, i) => [Math.floor(i / 50) * Math.PI / 4, normal(), normal()]);

function points() {
  const wide = 0.02 + 0.4 * Math.exp(-iteration / 500), far = 1 - 0.7 * Math.exp(-iteration / 300);
  const side = 40, values = [];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const px = -1.5 + 3 * x / (side - 1), py = -1.5 + 3 * y / (side - 1), r = Math.hypot(px, py);
      values.push(1.2 - 4 * Math.abs(r - 1) + 0.5 * Math.cos(8 * Math.atan2(py, px) + iteration / 300));
    }
  }
  return { iteration, real: angles.map(([a, u, v]) => [Math.cos(a) + 0.02 * u, Math.sin(a) + 0.02 * v]),
    fake: angles.map(([a, u, v]) => [far * Math.cos(a) + wide * v, far * Math.sin(a) + wide * u]),
    surface: { low: [-1.5, -1.5], high: [1.5, 1.5], side, values } };
}

function histogram() {
  const bell = (middle) => Array.from({ length: 20 }, (_, i) =>
    Math.round(60 * Math.exp(-(((-3 + i * 0.3 - middle) / 0.7) ** 2))));
  const gap = 0.4 + Math.exp(-iteration / 900);
  return { iteration, low: -3, high: 3, real: bell(gap), fake: bell(-gap) };
}

function tell(name, data, to = viewers) {
  for (const viewer of to) viewer.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

function status() {
  const text = `${iteration}/16000  d 1.21  g 0.83  182 it/s  ETA 1 min`;
  return { state, iteration, moves, seconds: moves / 100, text };
}

const runs = finished ? ["hinge", "wasserstein", hostile] : [kind === "image" ? "train_hinge" : "ring"];

function begin(viewer) {
  const to = [viewer], live = !finished;
  tell("hello", { runs: runs.map((name) => ({ name, folder: `runs/${name}`, state, live })), run: runs[0],
    script: { name: "ring.lua", text: `local gan = require "ganlua"\n-- ${hostile}\ngan.train { view = true }\n` },
    config: "return { seed = 1 }\n", columns: [], planned: 16000, latent: kind === "image" ? 64 : 2,
    labels: kind === "image" ? ["zero", "one", hostile] : null, shape: kind === "image" ? [28, 28, 1] : [2],
    points: kind === "points", can: { pause: live, sample: live, set: live }, why: live ? null : "finished run" }, to);
  tell("settings", { list: settings }, to);
  if (finished) runs.forEach((run, i) => tell("metrics", metrics(run, 1, 2000, 4, i * 0.3), to));
  for (const event of past) tell("metrics", event, to);
  const kinds = "dg".repeat(200).slice(-moves);
  if (moves) tell("moves", { run: runs[0], first: Math.max(1, moves - 399), kinds, losses: [] }, to);
  for (const at of pictures) for (const run of finished ? runs : [runs[0]]) tell("samples", { run, iteration: at }, to);
  if (!finished) tell("histogram", histogram(), to);
  if (kind === "points") tell("points", points(), to);
  tell("warning", { iteration: 20, text: `${hostile} D wins almost every round: accuracy 0.99` }, to);
  tell("status", status(), to);
}

// So many moves, told in one event each as the real server does.
function play(count) {
  const first = moves + 1, from = iteration + 1;
  let kinds = "";
  for (let i = 0; i < count; i++) {
    moves += 1;
    kinds += moves % 2 ? "d" : "g";
    if (moves % 2) continue;
    iteration += 1;
    if (kind === "image" && iteration % 50 === 0) {
      pictures.push(iteration);
      tell("samples", { run: runs[0], iteration });
    }
  }
  tell("moves", { run: runs[0], first, kinds, losses: [...kinds].map(() => 1) });
  if (iteration >= from) {
    past.push(metrics(runs[0], from, iteration, 1));
    tell("metrics", past[past.length - 1]);
  }
  tell("histogram", histogram());
  if (kind === "points") tell("points", points());
  tell("status", status());
}

if (finished) for (let at = 200; at <= 2000; at += 200) pictures.push(at);
if (finished) iteration = 2000;
else setInterval(() => { if (state === "running") play(50); }, 250);

function obey(asked) {
  const does = {
    pause() { state = "paused"; },
    resume() { state = "running"; },
    step() { state = "paused"; play(1); },
    set({ name, value }) {
      const one = settings.find((setting) => setting.name === name);
      if (!one || value < 0) throw new Error(`${name} must be a number from 0, got ${value}`);
      Object.assign(one, { value, text: String(value) });
    },
    sample({ latents }) {
      if (kind === "points") return { values: latents.map(([a, b]) => [Math.cos(a), Math.sin(b)]) };
      return { png: sample(iteration, 1, 1).toString("base64") };
    },
    interpolate() {
      if (kind === "points") return { values: [[0, 0], [0.5, 0.5], [1, 1]] };
      return { png: sample(iteration, 8, 1).toString("base64") };
    },
  };
  return does[asked.do](asked) || {};
}

function command(request, response) {
  let text = "";
  request.on("data", (part) => { text += part; });
  request.on("end", () => {
    if (finished) return response.end(JSON.stringify({ ok: false, error: "the run has ended" }));
    const id = ++commands;
    response.end(JSON.stringify({ ok: true, id }));
    setTimeout(() => {
      try { tell("reply", { id, ok: true, ...obey(JSON.parse(text)) }); }
      catch (error) { tell("reply", { id, ok: false, error: error.message }); }
      tell("settings", { list: settings });
      tell("status", status());
    }, 20);
  });
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost"), name = url.pathname === "/" ? "/view.html" : url.pathname;
  response.setHeader("Content-Security-Policy", policy);
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cache-Control", "no-store");
  const picture = name.match(/^\/sample\/(\d+)\.png$/);
  if (name === "/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    viewers.add(response);
    request.on("close", () => viewers.delete(response));
    begin(response);
  } else if (name === "/command" && request.method === "POST") {
    command(request, response);
  } else if (picture) {
    response.setHeader("Content-Type", "image/png");
    response.end(sample(Number(picture[1])));
  } else if (/^\/[a-z]+\.(html|js|css|svg)$/.test(name) && existsSync(folder + name)) {
    response.setHeader("Content-Type", types[name.split(".").pop()]);
    response.end(readFileSync(folder + name));
  } else {
    response.writeHead(404).end();
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));

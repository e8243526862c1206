// Runs networks that ganlua has written (gan.export.onnx) by onnxruntime, in node and in Chromium without a window, and
// looks at the page of examples/browser as a person would. Prints what was seen as JSON.
// Usage: node generator.mjs FOLDER. In FOLDER/plain and FOLDER/labelled lie the page with generator.onnx beside it, of a
// network that looks at labels in the second; and in FOLDER cases.json: a list of { file, kind, x, x_shape, labels, y },
// what ganlua makes of x. GANLUA_NODE_MODULES names the folder that holds
// playwright-core, axe-core and onnxruntime-web, CHROMIUM the browser's program.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const folder = process.argv[2], modules = process.env.GANLUA_NODE_MODULES;
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"));
const seen = { problems: [] };

const kinds = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname).replace(/\/$/, "/index.html");
  const inside = path.indexOf("/node_modules/");
  const file = inside < 0 ? join(folder, path) : join(modules, path.slice(inside + 14));
  try {
    const bytes = readFileSync(file);
    response.writeHead(200, { "content-type": kinds[extname(file)] || "application/octet-stream" }).end(bytes);
  } catch {
    response.writeHead(path.endsWith("/favicon.ico") ? 204 : 404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const address = `http://127.0.0.1:${server.address().port}/`;

// How far what onnxruntime makes of each case is off, of the largest number or 1. It runs here and in the page.
async function compared(ort, list, load) {
  const off = [];
  for (const one of list) {
    const session = await ort.InferenceSession.create(await load(one.file));
    const tensor = (kind, numbers, shape) => kind === "int64"
      ? new ort.Tensor(kind, BigInt64Array.from(numbers, BigInt), shape)
      : new ort.Tensor(kind, Float32Array.from(numbers), shape);
    const feeds = { input: tensor(one.kind, one.x, one.x_shape) };
    if (one.labels) feeds.labels = tensor("int64", one.labels, [one.labels.length]);
    const { data } = (await session.run(feeds)).output;
    if (data.length !== one.y.length) throw new Error(`${one.file}: ${data.length} numbers`);
    const largest = one.y.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    off.push(one.y.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i])), 0) / largest);
  }
  return off;
}

const ort = require("onnxruntime-web");
ort.env.wasm.numThreads = 1;
seen.node = await compared(ort, cases, (file) => readFileSync(join(folder, file)));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage();
page.setDefaultTimeout(120000); // a busy machine is slow
page.on("pageerror", (error) => seen.problems.push(String(error)));
page.on("console", (message) => { if (message.type() === "error") seen.problems.push(message.text()); });

const picture = () => page.locator("#samples").evaluate((canvas) => canvas.toDataURL());
const text = (id) => page.locator(id).textContent();
let drawn;

// Waits until the page has drawn once more.
async function once() {
  drawn += 1;
  await page.waitForFunction((n) => Number(document.body.dataset.drawn) >= n, drawn);
}

async function open(name) {
  drawn = 0;
  await page.goto(`${address}${name}/`);
  await once();
}

// Sets a slider or a number as a hand would, and waits for the picture.
async function set(id, value) {
  await page.locator(id).evaluate((input, to) => {
    input.value = to;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);
  await once();
  return picture();
}

// What axe finds fault with.
async function faults() {
  await page.evaluate(axe);
  return page.evaluate(() => window.axe.run().then(({ violations }) => violations
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html.slice(0, 120)}`)));
}

await open("plain");
seen.size = await page.locator("#samples").evaluate((canvas) => [canvas.width, canvas.height]);
const first = await picture();
seen.walks = await set("#walk", 0.5) !== first && await set("#walk", 0) === first;
await page.locator("#anew").click();
await once();
seen.others = (await picture()) !== first;
seen.took = await text("#took");
seen.errors = [await text("#error")];
seen.asks = [await page.locator("#class").isVisible()];
seen.faults = await faults();
seen.browser = await page.evaluate(`(${compared})(ort, ${JSON.stringify(cases)}, (file) => "../" + file)`);

await open("labelled");
seen.asks.push(await page.locator("#class").isVisible());
const ofZero = await picture();
seen.classes = await set("#label", 2) !== ofZero && await set("#label", 0) === ofZero;
await set("#label", 99);
seen.errors.push(await text("#error"));
seen.recovers = await set("#label", 0) === ofZero;
seen.errors.push(await text("#error"));
seen.faults.push(...await faults());
await browser.close();
server.close();
console.log(JSON.stringify(seen));

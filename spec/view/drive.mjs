// Looks at a live view as a person would, in Chromium without a window, and prints what was seen as JSON.
// Usage: node drive.mjs ADDRESS watch|look|lose [FOLDER]
//   watch     drives a run that goes on
//   look      only looks
//   lose      kills the server (FOLDER/server.pid), which is there again a while later, and goes on with it
// With FOLDER, watch and look leave screenshots there, in both widths and both colour schemes. ADDRESS picture FILE takes
// one of the page's top. GANLUA_NODE_MODULES names the folder that holds playwright-core and axe-core, CHROMIUM the
// browser's program.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [address, what, folder] = process.argv.slice(2);
const require = createRequire(`${process.env.GANLUA_NODE_MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const seen = { problems: [] };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
});

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: false, ...options });
  context.setDefaultTimeout(120000); // a busy machine is slow
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.problems.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") seen.problems.push(message.text()); });
  await page.goto(address);
  await page.waitForFunction(() => document.querySelector("#charts section")
    && !["connecting", "lost"].includes(document.getElementById("state").dataset.state));
  return page;
}

const state = (page) => page.locator("#state").textContent();
const reaches = (page, wanted) => page.waitForFunction((one) =>
  document.getElementById("state").dataset.state === one, wanted);
const pixels = (page, id) => page.locator(id).evaluate((canvas) => canvas.toDataURL());
const moves = async (page) => Number((await page.locator("#schedule-text").textContent()).match(/move (\d+)/)[1]);
const lossPixels = "#chart-losses canvas";

// Waits until a canvas shows something else.
async function changes(page, id) {
  const before = await pixels(page, id);
  await page.waitForFunction(([which, old]) => document.querySelector(which).toDataURL() !== old, [id, before],
    { polling: 200 });
  return true;
}

// Serious faults of accessibility. axe is put in past the page's policy, which forbids it to the page itself.
async function faults(options) {
  const page = await open({ ...options, bypassCSP: true });
  await page.evaluate(axe);
  const list = await page.evaluate(() => window.axe.run().then(({ violations }) => violations
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`)));
  await page.context().close();
  return list;
}

async function screenshots(name) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const page = await open({ colorScheme, viewport: { width, height: 900 } });
      await page.locator("#new-latents").click({ timeout: 2000 }).catch(() => {}); // not there in runs that have ended
      await page.waitForTimeout(700);
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      await page.context().close();
    }
  }
}

async function watch() {
  const page = await open();
  seen.curves_grow = await changes(page, lossPixels);
  seen.plane = await page.locator("#plane").isVisible();
  if (seen.plane) seen.points_move = await changes(page, "#plane-canvas");

  await page.click("#pause");
  await reaches(page, "paused");
  await page.waitForTimeout(600); // what was on its way arrives
  const stood = await moves(page);
  await page.waitForTimeout(600);
  seen.stands = (await moves(page)) === stood;

  await page.click("#step");
  await page.waitForFunction((old) =>
    !document.getElementById("schedule-text").textContent.includes(`move ${old};`), stood);
  await page.waitForTimeout(300);
  seen.step = (await moves(page)) - stood;
  seen.after_step = await state(page);

  const rate = page.locator("form.setting", { hasText: "generator.lr" });
  await rate.locator("input").fill("0.0002");
  await rate.locator("button").click();
  await page.waitForFunction(() => document.getElementById("settings-text").textContent !== "");
  seen.set = await page.locator("#settings-text").textContent();
  seen.now = await rate.locator("small").textContent();

  await page.click("#new-latents");
  await page.waitForFunction(() => document.getElementById("chosen-text").textContent
    || !document.getElementById("chosen").hidden);
  seen.sampled = await page.locator("#chosen-text").textContent();
  await page.locator("#latents input").first().press("ArrowRight");
  await page.locator("#between-form button").click();
  await page.waitForFunction(() => document.getElementById("between-text").textContent
    || !document.getElementById("between-picture").hidden);
  seen.between = await page.locator("#between-text").textContent();

  const other = await open();
  seen.second = await state(other);
  seen.second_moves = (await moves(other)) === (await moves(page));
  await page.click("#resume");
  await reaches(page, "running");
  await reaches(other, "running");
  seen.both_grow = (await Promise.all([changes(page, lossPixels), changes(other, lossPixels)])).every(Boolean);
  await other.context().close();

  await page.reload();
  await page.waitForFunction(() => document.querySelector("#charts section"));
  seen.after_reload = await state(page);
  seen.grows_again = await changes(page, lossPixels);
  await page.locator(lossPixels).focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForTimeout(200);
  seen.pointed = await page.locator(lossPixels).getAttribute("aria-label");
  seen.title = await page.title();
  await page.context().close();
}

async function look() {
  const page = await open();
  seen.state = await state(page);
  seen.title = await page.title();
  seen.enabled = await page.locator(".buttons button:enabled").count();
  seen.why = await page.locator("#why").textContent();
  seen.may = await page.locator("#sampling, #between, #settings").filter({ visible: true }).count();
  seen.answer = await page.evaluate(() => fetch("/command", { method: "POST", body: '{"do":"pause"}',
    headers: { "Content-Type": "application/json" } }).then((response) => response.json()).then(({ error }) => error));
  seen.legend = await page.locator("#chart-losses .legend li").allTextContents();
  const boxes = page.locator("#run-list input");
  seen.runs = await page.locator("#run-list label").allTextContents();
  if (await page.locator("#runs").isVisible()) await boxes.last().uncheck();
  seen.fewer = await page.locator("#chart-losses .legend li").count();
  if (await page.locator("#samples").isVisible()) {
    await page.locator("#sample-slider").press("Home");
    seen.first_sample = await page.locator("#sample-text").textContent();
    seen.picture = await page.locator("#sample").evaluate((image) => image.decode().then(() => image.naturalWidth));
  }
  seen.wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.context().close();
}

// What the browser itself says of a server that is gone is no problem of the page's.
async function lose() {
  const page = await open();
  await changes(page, lossPixels);
  process.kill(Number(readFileSync(`${folder}/server.pid`, "utf8")), "SIGKILL");
  await reaches(page, "lost");
  seen.lost = await state(page);
  seen.enabled = await page.locator(".buttons button:enabled").count();
  await reaches(page, "running");
  seen.grows_again = await changes(page, lossPixels);
  await page.click("#pause");
  await reaches(page, "paused");
  seen.found = await state(page);
  seen.problems = seen.problems.filter((text) => !/net::ERR_(CONNECTION|INCOMPLETE)/.test(text));
  await page.context().close();
}

if (what === "picture") {
  const page = await open({ viewport: { width: 1000, height: 640 } });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: folder });
  await browser.close();
  process.exit();
}
await { watch, look, lose }[what]();
const narrow = await open({ viewport: { width: 390, height: 800 } });
seen.narrow = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
await narrow.context().close();
seen.faults = [...await faults({ colorScheme: "light" }), ...await faults({ colorScheme: "dark" })];
console.log(JSON.stringify(seen));
if (folder && what !== "lose") await screenshots(what);
await browser.close();

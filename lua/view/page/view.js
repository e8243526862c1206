// The live view: what the run tells (see stream.js) goes to the parts of the page. `hello` begins anew each time, so a
// reload, a second viewer and a connection that was lost all see the same. All text of the run is put as text.

import { Histogram, Strip } from "/bars.js";
import { Chart } from "/chart.js";
import { Gallery } from "/gallery.js";
import { Plane } from "/plane.js";
import { Sampling, Settings } from "/controls.js";
import { Series } from "/series.js";
import { command, listen } from "/stream.js";

const find = (id) => document.getElementById(id);
const histogram = new Histogram(find("histogram-canvas"));
const strip = new Strip(find("schedule-canvas"), find("schedule-text"));
const plane = new Plane(find("plane-canvas"));
const gallery = new Gallery(find);
const sampling = new Sampling(find, (points) => plane.choose(points));
const settings = new Settings(find);

// The usual columns' charts; each other column has one of its own.
const groups = [
  { id: "losses", title: "Losses", columns: ["d_loss", "g_loss"] },
  { id: "scores", title: "Mean scores of D", columns: ["real", "fake"] },
  { id: "norms", title: "Gradient norms", columns: ["d_grad_norm", "g_grad_norm"], logarithmic: true },
  { id: "accuracy", title: "Accuracy of D", columns: ["accuracy"], range: [-0.03, 1.03] },
  { id: "penalties", title: "Penalties", columns: ["d_penalty", "g_penalty"], logarithmic: true },
];
const usual = {
  d_loss: ["D", "d"], g_loss: ["G", "g"], real: ["real", "real"], fake: ["generated", "fake"], accuracy: ["D", "d"],
  d_grad_norm: ["D", "d"], g_grad_norm: ["G", "g"], d_penalty: ["D", "d"], g_penalty: ["G", "g"],
};
const palette = ["d", "g", "real", "more1", "more2", "more3"];
const hidden = new Set(["iteration", "seconds"]);
const mostWarnings = 100, mostCharts = 24;

let now = { runs: [], run: null, planned: null, can: {}, state: "connecting" };
let series = new Map(); // run -> Series
let chosen = new Set(); // runs whose curves are shown
const charts = new Map(); // id -> Chart
let drawn = ""; // what the charts show, as a text

// ---- Curves -----------------------------------------------------------------------------------------------------

function chartList() {
  const names = new Set([...series.values()].flatMap((one) => [...one.columns.keys()]));
  const list = groups.filter(({ columns }) => columns.some((name) => names.has(name)));
  for (const name of names) {
    if (hidden.has(name) || usual[name] || list.length >= mostCharts) continue;
    list.push({ id: `of-${name}`, title: name, columns: [name] });
  }
  return list;
}

// One run: a colour for each column. Several: a colour for each run, dashes for the columns.
function lines(columns) {
  const list = [], several = chosen.size > 1;
  [...series.keys()].forEach((run, place) => {
    if (!chosen.has(run)) return;
    columns.forEach((column, dash) => {
      if (!series.get(run).has(column)) return;
      const [name, hue] = usual[column] || [column, "d"];
      list.push({ name: several ? `${run}, ${name}` : name, column, series: series.get(run),
        colour: several ? palette[place % palette.length] : hue, dash: several ? dash : 0 });
    });
  });
  return list;
}

function showCurves() {
  const list = chartList();
  const sizes = [...series].map(([run, one]) => [run, one.columns.size]);
  const text = JSON.stringify([list.map(({ id }) => id), [...chosen], sizes]);
  if (text === drawn) {
    for (const chart of charts.values()) chart.refresh();
    return;
  }
  drawn = text;
  for (const group of list) {
    if (!charts.has(group.id)) {
      charts.set(group.id, new Chart(group));
      find("charts").append(charts.get(group.id).section);
    }
    charts.get(group.id).show(lines(group.columns));
  }
  for (const [id, chart] of charts) {
    if (list.some((group) => group.id === id)) continue;
    chart.remove();
    charts.delete(id);
  }
}

// ---- The head ---------------------------------------------------------------------------------------------------

function note(text) { find("note").textContent = text; }

function showState(state) {
  now.state = state;
  if (find("state").dataset.state !== state) {
    find("state").dataset.state = state;
    find("state").textContent = state === "lost" ? "connection lost, trying again" : state;
  }
  const may = Boolean(now.can.pause);
  find("pause").disabled = !may || state !== "running";
  find("resume").disabled = !may || state !== "paused";
  find("step").disabled = !may || (state !== "paused" && state !== "running");
}

for (const name of ["pause", "step", "resume"]) {
  find(name).addEventListener("click", () => {
    command({ do: name }).then(() => note(""), (error) => note(error.message));
  });
}

const reasons = {
  "finished run": "This run has ended: it can be looked at.", sandbox: "In the sandbox a viewer can only look.",
};

function showRuns({ runs }) {
  find("runs").hidden = runs.length < 2;
  find("run-list").replaceChildren(...runs.map(({ name, state, live }) => {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = chosen.has(name);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(name); else chosen.delete(name);
      showCurves();
    });
    label.append(box, `${name} (${live ? "live" : state || "ended"})`);
    return label;
  }));
}

function showScript({ script, config }) {
  find("script").hidden = !script && !config;
  find("script-name").parentElement.hidden = !script;
  find("script-name").textContent = script ? script.name : "";
  find("script-text").textContent = script ? script.text : "";
  find("config").hidden = !config;
  find("config-text").textContent = config || "";
}

// ---- What the run tells -----------------------------------------------------------------------------------------

listen({
  hello(news) {
    const before = chosen, same = now.run === news.run;
    now = { ...news, runs: news.runs || [], can: news.can || {}, state: "connecting" };
    const names = now.runs.map(({ name }) => name);
    chosen = new Set(same ? names.filter((name) => before.has(name)) : names.slice(0, palette.length));
    if (chosen.size === 0) chosen.add(news.run);
    series = new Map(names.map((name) => [name, new Series()]));
    drawn = "";
    find("name").textContent = news.run || "ganlua";
    document.title = `${news.run || "run"} – ganlua`;
    for (const id of ["plane", "histogram", "schedule", "warnings"]) find(id).hidden = true;
    find("warning-list").replaceChildren();
    strip.clear();
    plane.clear();
    gallery.clear(news.run);
    sampling.begin(now);
    settings.begin(Boolean(now.can.set));
    showRuns(now);
    showScript(now);
    note("");
    find("why").textContent = now.why ? reasons[now.why] || now.why : "";
    const shown = now.runs.find(({ name }) => name === news.run);
    showState((shown && shown.state) || "running");
    find("progress").textContent = "";
  },

  metrics(news) {
    if (!series.has(news.run)) series.set(news.run, new Series());
    series.get(news.run).add(news);
    showCurves();
  },

  moves(news) {
    find("schedule").hidden = false;
    strip.add(news);
  },

  histogram(news) {
    find("histogram").hidden = false;
    histogram.show(news);
  },

  points(news) {
    find("plane").hidden = false;
    plane.show(news);
  },

  samples(news) { gallery.add(news); },

  status(news) {
    showState(news.state);
    find("progress").textContent = news.text || `iteration ${news.iteration}`;
    find("done").hidden = !now.planned;
    if (now.planned) find("done").value = news.iteration / now.planned;
  },

  warning({ iteration, text }) {
    find("warnings").hidden = false;
    const item = document.createElement("li");
    item.textContent = typeof iteration === "number" ? `Iteration ${iteration}: ${text}` : text;
    const list = find("warning-list");
    list.prepend(item);
    if (list.children.length > mostWarnings) list.lastChild.remove();
  },

  settings({ list }) { settings.show(list); },

  lost() { showState("lost"); },
});

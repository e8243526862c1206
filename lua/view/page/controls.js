// What a viewer may ask of the run: samples of chosen latents, what lies between two, other values of its settings.

import { command } from "/stream.js";
import { said } from "/canvas.js";

const sliders = 16, reach = 3; // latents are numbers around 0, most within 3

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function say(element, text, bad = false) {
  element.textContent = text;
  element.classList.toggle("bad", bad);
}

// Shows a reply: its picture, or its numbers, which go to `points` where they are places in the plane.
function shown(reply, picture, text, points) {
  picture.hidden = !reply.png;
  if (reply.png) picture.src = `data:image/png;base64,${reply.png}`;
  const values = reply.values || [];
  const flat = values.length > 0 && values.every((one) => Array.isArray(one) && one.length === 2);
  if (flat) points(values);
  const list = values.slice(0, 8).map((one) => {
    const numbers = [one].flat(Infinity).slice(0, 8).map((n) => said(n, 3));
    return `(${numbers.join(", ")})`;
  });
  say(text, flat ? `In the picture of points: ${list.join(" ")}` : list.join(" "));
}

export class Sampling {
  constructor(find, points) {
    Object.assign(this, { find, points, busy: false, again: false, z: [] });
    find("new-latents").addEventListener("click", () => this.renew(true));
    find("label").addEventListener("change", () => this.ask());
    find("between-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.between();
    });
  }

  // latent: how many numbers; labels: names, how many, or null.
  begin({ latent, labels, can }) {
    const { find } = this;
    const may = Boolean(can.sample);
    find("between").hidden = !may;
    find("sampling").hidden = !may || !Number.isInteger(latent);
    for (const name of ["chosen", "between-picture"]) find(name).hidden = true;
    for (const name of ["chosen-text", "between-text"]) say(find(name), "");
    const names = Array.isArray(labels) ? labels : Array.from({ length: labels || 0 }, (_, i) => String(i + 1));
    find("label-label").hidden = names.length === 0;
    this.labelled = names.length > 0;
    find("label").replaceChildren(...names.map((name, i) => new Option(name, String(i + 1))));
    if (this.z.length !== latent) this.build(latent || 0);
  }

  build(latent) {
    this.z = new Array(latent).fill(0);
    this.inputs = this.z.slice(0, sliders).map((_, i) => {
      const label = document.createElement("label"), name = document.createElement("span");
      const input = document.createElement("input"), output = document.createElement("output");
      name.textContent = `z${i + 1}`;
      Object.assign(input, { type: "range", min: -reach, max: reach, step: 0.05, value: 0 });
      input.addEventListener("input", () => {
        this.z[i] = Number(input.value);
        output.textContent = this.z[i].toFixed(2);
        this.ask();
      });
      label.append(name, input, output);
      return { label, input, output };
    });
    this.find("latents").replaceChildren(...this.inputs.map(({ label }) => label));
    this.renew(false);
  }

  renew(ask) {
    this.z = this.z.map(normal);
    this.inputs.forEach(({ input, output }, i) => {
      input.value = this.z[i];
      this.z[i] = Number(input.value);
      output.textContent = this.z[i].toFixed(2);
    });
    if (ask) this.ask();
  }

  // One question at a time; the last one that came meanwhile follows.
  async ask() {
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    const { find } = this;
    try {
      const what = { do: "sample", latents: [this.z], count: 1 };
      if (this.labelled) what.label = Number(find("label").value);
      shown(await command(what), find("chosen"), find("chosen-text"), this.points);
    } catch (error) {
      say(find("chosen-text"), error.message, true);
      this.again = false;
    }
    this.busy = false;
    if (this.again) {
      this.again = false;
      this.ask();
    }
  }

  async between() {
    const { find } = this;
    try {
      const what = { do: "interpolate", from: Number(find("from").value), to: Number(find("to").value), steps: 8 };
      shown(await command(what), find("between-picture"), find("between-text"), this.points);
    } catch (error) {
      say(find("between-text"), error.message, true);
    }
  }
}

export class Settings {
  constructor(find) {
    Object.assign(this, { section: find("settings"), list: find("setting-list"), text: find("settings-text"),
      rows: new Map(), may: false });
  }

  // Before a new run's settings come.
  begin(may) {
    this.may = may;
    this.rows.clear();
    this.list.replaceChildren();
    say(this.text, "");
    this.section.hidden = true;
  }

  // An event `settings`: a value that is being typed stays.
  show(settings) {
    this.section.hidden = !this.may || settings.length === 0;
    for (const one of settings) {
      const row = this.rows.get(one.name) || this.row(one.name);
      row.small.textContent = typeof one.value === "number" && String(one.text) !== String(one.value)
        ? `now ${said(one.value)}, ${one.text}` : `now ${one.text}`;
      if (document.activeElement !== row.input) row.input.value = typeof one.value === "number" ? one.value : "";
    }
  }

  row(name) {
    const form = document.createElement("form"), label = document.createElement("span");
    const small = document.createElement("small"), input = document.createElement("input");
    const button = document.createElement("button");
    form.className = "setting";
    label.textContent = name;
    label.append(small);
    Object.assign(input, { type: "number", step: "any", required: true });
    input.setAttribute("aria-label", `New value of ${name}`);
    button.textContent = "Change";
    button.setAttribute("aria-label", `Change ${name}`);
    form.append(label, input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.change(name, Number(input.value));
    });
    this.list.append(form);
    this.rows.set(name, { small, input });
    return this.rows.get(name);
  }

  async change(name, value) {
    try {
      await command({ do: "set", name, value });
      say(this.text, `${name} is ${value} from now on.`);
    } catch (error) {
      say(this.text, error.message, true);
    }
  }
}

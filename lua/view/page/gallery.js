// The samples of a run: the latest, or those of an earlier iteration by the slider.

const most = 5000; // iterations whose pictures are listed, of each run

export class Gallery {
  constructor(find) {
    Object.assign(this, { section: find("samples"), picture: find("sample"), slider: find("sample-slider"),
      text: find("sample-text"), latest: find("sample-latest"), choice: find("sample-run"),
      choiceLabel: find("sample-run-label") });
    this.slider.addEventListener("input", () => {
      this.following = Number(this.slider.value) === Number(this.slider.max);
      this.show("moved");
    });
    this.latest.addEventListener("click", () => {
      this.following = true;
      this.show();
    });
    this.choice.addEventListener("change", () => {
      this.run = this.choice.value;
      this.following = true;
      this.show();
    });
    this.clear();
  }

  clear(run) {
    Object.assign(this, { runs: new Map(), run, following: true });
    this.section.hidden = true;
    this.choice.replaceChildren();
  }

  // An event `samples`.
  add({ run, iteration }) {
    if (!this.runs.has(run)) {
      this.runs.set(run, []);
      const option = document.createElement("option");
      option.value = option.textContent = run;
      this.choice.append(option);
      if (!this.runs.has(this.run)) this.run = run;
      this.choice.value = this.run;
    }
    const list = this.runs.get(run);
    if (list.length && iteration <= list[list.length - 1]) {
      if (list.includes(iteration)) return;
      list.push(iteration);
      list.sort((a, b) => a - b);
    } else {
      list.push(iteration);
    }
    if (list.length > most) this.runs.set(run, list.filter((_, i) => i % 2 === (list.length - 1) % 2));
    this.show();
  }

  // event: "moved" where the viewer has moved the slider; otherwise the picture that is shown stays.
  show(event) {
    const list = this.runs.get(this.run) || [];
    this.section.hidden = list.length === 0;
    this.choiceLabel.hidden = this.runs.size < 2;
    if (list.length === 0) return;
    const before = this.iteration;
    this.slider.max = String(list.length - 1);
    if (this.following) this.slider.value = this.slider.max;
    else if (event !== "moved" && list.includes(before)) this.slider.value = String(list.indexOf(before));
    this.iteration = list[Number(this.slider.value)];
    this.text.textContent = `${this.iteration} (${Number(this.slider.value) + 1} of ${list.length})`;
    this.slider.setAttribute("aria-valuetext", `iteration ${this.iteration}`);
    this.latest.disabled = this.following;
    const source = `/sample/${this.iteration}.png?run=${encodeURIComponent(this.run)}`;
    if (this.picture.getAttribute("src") !== source) this.picture.src = source;
    this.picture.alt = `Samples of ${this.run} at iteration ${this.iteration}`;
  }
}

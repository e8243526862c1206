// The columns of a run over its iterations, in bounded memory: rows that fall into the same stretch of iterations are
// averaged, and the stretches double whenever there are too many. So the whole past stays equally fine.

const most = 2400;

export class Series {
  constructor() {
    this.stretch = 1;
    this.iteration = []; // of the last row in each stretch
    this.columns = new Map(); // name -> { sum: [], count: [] }
  }

  // metrics: { iteration: [...], values: { name: [...] } }; null is a number that is missing.
  add({ iteration, values }) {
    for (let row = 0; row < iteration.length; row++) {
      const place = this.place(iteration[row]);
      for (const [name, list] of Object.entries(values)) {
        if (typeof list[row] === "number") this.put(name, place, list[row], 1);
      }
    }
    while (this.iteration.length > most) this.coarsen();
  }

  // Where a row of this iteration goes: the last stretch, or a new one behind it.
  place(iteration) {
    const last = this.iteration.length - 1;
    const same = last >= 0 && Math.floor(iteration / this.stretch) <= Math.floor(this.iteration[last] / this.stretch);
    if (!same) return this.iteration.push(iteration) - 1;
    this.iteration[last] = Math.max(iteration, this.iteration[last]);
    return last;
  }

  put(name, place, sum, count) {
    if (!this.columns.has(name)) this.columns.set(name, { sum: [], count: [] });
    const column = this.columns.get(name);
    while (column.sum.length <= place) {
      column.sum.push(0);
      column.count.push(0);
    }
    column.sum[place] += sum;
    column.count[place] += count;
  }

  coarsen() {
    const { iteration, columns } = this;
    this.stretch *= 2;
    this.iteration = [];
    this.columns = new Map();
    const places = iteration.map((one) => this.place(one));
    for (const [name, { sum, count }] of columns) {
      sum.forEach((one, row) => this.put(name, places[row], one, count[row]));
    }
  }

  has(name) { return this.columns.has(name); }

  // The mean in a row; NaN where nothing was measured.
  at(name, row) {
    const column = this.columns.get(name);
    return column && column.count[row] ? column.sum[row] / column.count[row] : NaN;
  }

  list(name) { return this.iteration.map((_, row) => this.at(name, row)); }

  last(name) {
    for (let row = this.iteration.length - 1; row >= 0; row--) {
      const value = this.at(name, row);
      if (!Number.isNaN(value)) return value;
    }
    return NaN;
  }
}

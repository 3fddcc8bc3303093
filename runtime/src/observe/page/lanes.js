// The picture of the timeline: an overview, how many workers were busy, and a lane for each worker.

const OVERVIEW = 40;
const USAGE = 84;
const AXIS = 20;
const HEADING = 24;

function laneHeight(count) {
  return count <= 4 ? 38 : count <= 10 ? 28 : count <= 24 ? 20 : count <= 48 ? 14 : 10;
}

class Picture {
  constructor() {
    this.view = { from: 0, to: 1 };
    this.overview = find("overview");
    this.usage = find("usage");
    this.lanes = find("lanes");
    this.range = null; // A stretch that is being selected.
  }

  show(model, colours) {
    this.model = model;
    this.colours = colours;
    const narrow = find("timeline").clientWidth < 560;
    this.gutter = narrow ? 34 : 84;
    this.narrow = narrow;
    this.row = laneHeight(model.lanes.length);
    this.arrange();
  }

  // Where each lane is drawn; those of a node stand together, below its name.
  arrange() {
    const { model, row } = this;
    const groups = model.nodes.length ? model.nodes : [{ lanes: model.lanes }];
    let y = 0;
    for (const group of groups) {
      if (model.nodes.length) {
        group.y = y;
        y += HEADING;
      }
      group.lanes.forEach((lane, index) => {
        lane.y = y + index * row;
        lane.place = index;
      });
      y += group.lanes.length * row;
    }
    this.tall = y;
  }

  // Where `at` is drawn in a canvas that shows the stretch `view`.
  place(at, width, view = this.view) {
    return this.gutter + ((at - view.from) / (view.to - view.from)) * (width - this.gutter);
  }

  // The time at `x`.
  timeAt(x, width, view = this.view) {
    return view.from + ((x - this.gutter) / Math.max(1, width - this.gutter)) * (view.to - view.from);
  }

  whole() {
    return { from: 0, to: this.model.end };
  }

  draw() {
    // The page may be on its way out, and have no size any more.
    if (!this.model || this.lanes.clientWidth < this.gutter + 20) return;
    this.drawOverview();
    this.drawUsage();
    this.drawLanes();
  }

  area(pen, values, top, height, most, width) {
    const step = (width - this.gutter) / values.length;
    pen.beginPath();
    pen.moveTo(this.gutter, top + height);
    values.forEach((value, i) => {
      const y = top + height * (1 - Math.min(1, value / most));
      pen.lineTo(this.gutter + i * step, y);
      pen.lineTo(this.gutter + (i + 1) * step, y);
    });
    pen.lineTo(width, top + height);
    pen.closePath();
  }

  drawOverview() {
    const { pen, width, height } = fresh(this.overview, OVERVIEW);
    const { colours, model } = this;
    const [top, tall] = [4, height - 10];
    const most = Math.max(1, model.lanes.length);
    const bins = Math.max(1, Math.min(600, Math.floor(width - this.gutter)));
    this.text(pen, "all", 0, top + tall / 2, colours.muted);
    pen.fillStyle = colours.faint;
    pen.beginPath();
    pen.roundRect(this.gutter, top, width - this.gutter, tall, 4);
    pen.fill();
    pen.save();
    pen.clip();
    const all = this.whole();
    this.area(pen, usage(model, all.from, all.to, bins).busy, top + 2, tall - 2, most, width);
    pen.fillStyle = colours.accent;
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.restore();
    for (const failure of model.failures) {
      const x = this.place(failure.at, width, all);
      pen.fillStyle = failure.retried ? colours["again-mark"] : colours.bad;
      pen.fillRect(x - 0.75, top + tall - 5, 1.5, 5);
    }
    const [left, right] = [this.place(this.view.from, width, all), this.place(this.view.to, width, all)];
    if (right - left < width - this.gutter - 0.5) {
      pen.fillStyle = colours.card;
      pen.globalAlpha = 0.65;
      pen.fillRect(this.gutter, top, left - this.gutter, tall);
      pen.fillRect(right, top, width - right, tall);
      pen.globalAlpha = 1;
      pen.strokeStyle = colours.accent;
      pen.lineWidth = 1.5;
      pen.strokeRect(left, top - 0.5, Math.max(2, right - left), tall + 1);
    }
  }

  drawUsage() {
    const { pen, width, height } = fresh(this.usage, USAGE);
    const { colours, model, view } = this;
    const [top, tall] = [8, height - 8 - AXIS];
    const most = Math.max(1, model.lanes.length);
    const bins = Math.max(1, Math.min(900, Math.floor((width - this.gutter) / 1.5)));
    const { busy, alive } = usage(model, view.from, view.to, bins);
    pen.save();
    pen.beginPath();
    pen.rect(this.gutter, 0, width - this.gutter, height - AXIS + 1);
    pen.clip();
    this.area(pen, alive, top, tall, most, width);
    pen.fillStyle = colours.faint;
    pen.fill();
    const shade = pen.createLinearGradient(0, top, 0, top + tall);
    shade.addColorStop(0, colours.accent);
    shade.addColorStop(1, `color-mix(in srgb, ${colours.accent} 45%, transparent)`);
    this.area(pen, busy, top, tall, most, width);
    pen.fillStyle = shade;
    pen.globalAlpha = 0.75;
    pen.fill();
    pen.globalAlpha = 1;
    pen.restore();
    pen.fillStyle = colours.line;
    pen.fillRect(this.gutter, top + tall, width - this.gutter, 1);
    this.text(pen, String(most), this.gutter - 8, top + 4, colours.muted, "right");
    this.text(pen, "0", this.gutter - 8, top + tall - 3, colours.muted, "right");
    if (!this.narrow) this.text(pen, "busy", 0, top + tall / 2, colours.muted);
    if (model.lanes.length === 0) {
      this.places = [];
      return;
    }
    const { step, places } = ticks(view.from, view.to, (width - this.gutter) / 110);
    for (const at of places) {
      const x = this.place(at, width);
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(x) - 0.5, top + tall, 1, 5);
      const label = time(at, step);
      const half = pen.measureText(label).width / 2;
      this.text(pen, label, Math.min(width - half - 1, Math.max(this.gutter + half, x)), height - 7, colours.muted, "center");
    }
    this.places = places;
  }

  text(pen, text, x, y, colour, align = "left", size = 11) {
    pen.fillStyle = colour;
    pen.font = `${size}px ${this.colours.sans}`;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillText(text, x, y);
  }

  drawLanes() {
    const { model, colours, row } = this;
    const { pen, width, height } = fresh(this.lanes, Math.max(row, this.tall) + 4);
    if (model.lanes.length === 0) this.text(pen, "No worker was started.", this.gutter, row / 2, colours.muted, "left", 13);
    pen.fillStyle = colours.line;
    for (const at of this.places) pen.fillRect(Math.round(this.place(at, width)) - 0.5, 0, 1, height);
    for (const node of model.nodes) this.drawHeading(pen, node, width);
    for (const lane of model.lanes) this.drawLane(pen, lane, lane.y, width);
    if (this.range) {
      const [left, right] = this.range.map((at) => this.place(at, width));
      pen.fillStyle = colours.accent;
      pen.globalAlpha = 0.16;
      pen.fillRect(left, 0, right - left, height);
      pen.globalAlpha = 1;
      pen.fillRect(left - 0.5, 0, 1, height);
      pen.fillRect(right - 0.5, 0, 1, height);
    }
  }

  drawHeading(pen, node, width) {
    const { colours } = this;
    const middle = node.y + HEADING / 2 + 1;
    const lost = node.lost !== null;
    const text = lost ? `${node.name}, lost at ${time(node.lost)}` : node.name;
    this.text(pen, text, 0, middle, lost ? colours.bad : colours.text, "left", 12);
    const from = pen.measureText(text).width + 10;
    pen.fillStyle = colours.line;
    pen.fillRect(from, Math.round(middle) - 0.5, Math.max(0, width - from), 1);
    if (!lost) return;
    const x = this.place(node.lost, width);
    if (x < Math.max(from, this.gutter) || x > width) return;
    pen.fillStyle = colours.bad;
    pen.fillRect(x - 1, node.y + 4, 2, HEADING - 4 + node.lanes.length * this.row);
  }

  drawLane(pen, lane, y, width) {
    const { colours, row, view } = this;
    const pad = row >= 20 ? 3 : 1;
    const [top, tall] = [y + pad, row - 2 * pad];
    const named = row >= 14 || lane.place % Math.ceil(12 / row) === 0;
    if (named) this.text(pen, this.narrow ? lane.short : lane.label, 0, y + row / 2, colours.muted, "left", Math.min(12, row));
    pen.save();
    pen.beginPath();
    pen.rect(this.gutter, y, width - this.gutter, row);
    pen.clip();
    for (const life of lane.lives) {
      const end = life.ended === null ? this.model.end : life.ended;
      if (end < view.from || life.started > view.to) continue;
      const [left, right] = [this.place(life.started, width), this.place(end, width)];
      pen.fillStyle = colours.faint;
      pen.fillRect(left, top, Math.max(1, right - left), tall);
      const began = life.prepared === null ? end : life.prepared;
      this.hatch(pen, left, top, this.place(began, width) - left, tall, width);
      if (life.ended !== null && life.unexpected) {
        pen.fillStyle = colours.bad;
        pen.fillRect(right - 1, top, 2, tall);
      }
    }
    this.drawRunning(pen, lane, top, tall, width);
    this.drawSpans(pen, lane, top, tall, width);
    for (const failure of lane.failures) {
      if (failure.at >= view.from && failure.at <= view.to) this.mark(pen, failure, this.place(failure.at, width), y + row / 2);
    }
    pen.restore();
  }

  // What a worker has and is not known to have ended, pale.
  drawRunning(pen, lane, top, tall, width) {
    if (!lane.running || lane.running.since > this.view.to) return;
    const [left, right] = [this.place(lane.running.since, width), this.place(this.model.end, width)];
    pen.fillStyle = this.colours.function(lane.running.function);
    pen.globalAlpha = 0.38;
    pen.fillRect(left, top, Math.max(2, right - left), tall);
    pen.globalAlpha = 1;
  }

  // Lines aslant, for a worker that is not ready yet.
  hatch(pen, left, top, wide, tall, width) {
    const [from, to] = [Math.max(left, this.gutter), Math.min(left + wide, width)];
    if (to - from < 1) return;
    pen.save();
    pen.beginPath();
    pen.rect(from, top, to - from, tall);
    pen.clip();
    pen.strokeStyle = this.colours.start;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let x = from - tall - (from % 5); x < to; x += 5) {
      pen.moveTo(x, top + tall);
      pen.lineTo(x + tall, top);
    }
    pen.stroke();
    pen.restore();
  }

  // Spans of two pixels and more are bars of their own. Narrower ones are gathered by columns of pixels, whose
  // strength says for what part of it the worker was busy.
  drawSpans(pen, lane, top, tall, width) {
    const { view, colours } = this;
    const s = lane.spans;
    const columns = Math.ceil(width - this.gutter) + 1;
    const [cover, red, tint] = [new Float32Array(columns), new Float32Array(columns), new Uint8Array(columns)];
    const perPixel = (view.to - view.from) / Math.max(1, width - this.gutter);
    for (let i = firstBehind(s, view.from); i < s.n && s.begin[i] < view.to; i += 1) {
      const left = this.place(s.begin[i], width);
      const wide = (s.end[i] - s.begin[i]) / perPixel;
      if (wide < 2) {
        const at = Math.floor(left - this.gutter);
        const begins = Math.max(0, at);
        const rest = Math.max(0, left + wide - this.gutter - (begins + 1));
        const share = wide > 0 ? rest / wide : 0;
        const busy = s.busy[i] / perPixel;
        if (begins >= columns) continue;
        cover[begins] += busy * (1 - share);
        if (begins + 1 < columns) cover[begins + 1] += busy * share;
        red[begins] += (busy * s.failed[i]) / s.count[i] + (s.failed[i] ? 0.05 : 0);
        tint[begins] = s.function[i];
        if (begins + 1 < columns) tint[begins + 1] = s.function[i];
        continue;
      }
      this.bar(pen, s, i, Math.max(left, this.gutter - 2), top, Math.min(width + 2, left + wide), tall);
    }
    for (let i = 0; i < columns; i += 1) {
      if (cover[i] === 0 && red[i] === 0) continue;
      pen.globalAlpha = Math.min(1, 0.18 + 0.82 * cover[i]);
      pen.fillStyle = colours.function(tint[i]);
      pen.fillRect(this.gutter + i, top, 1, tall);
      if (red[i] > 0) {
        pen.globalAlpha = 1;
        pen.fillStyle = colours.bad;
        pen.fillRect(this.gutter + i, top, 1, tall * Math.max(0.3, Math.min(1, red[i])));
      }
    }
    pen.globalAlpha = 1;
  }

  bar(pen, s, i, left, top, right, tall) {
    const { colours } = this;
    const gap = right - left > 4 ? 1 : right - left > 3 ? 0.5 : 0;
    const wide = right - left - gap;
    const share = s.end[i] > s.begin[i] ? Math.min(1, s.busy[i] / (s.end[i] - s.begin[i])) : 1;
    const failed = s.failed[i] / s.count[i];
    pen.globalAlpha = s.count[i] === 1 ? 1 : 0.18 + 0.82 * share;
    pen.fillStyle = s.again[i] ? colours["again-mark"] : failed === 1 ? colours.bad : colours.function(s.function[i]);
    pen.beginPath();
    if (wide > 6) pen.roundRect(left, top, wide, tall, 2);
    else pen.rect(left, top, wide, tall);
    pen.fill();
    if (failed > 0 && failed < 1) {
      pen.globalAlpha = 1;
      pen.fillStyle = colours.bad;
      pen.fillRect(left, top, wide, Math.max(2, tall * failed));
    }
    pen.globalAlpha = 1;
    if (tall < 12 || wide < 26) return;
    const text = s.count[i] === 1 ? whole(s.first[i]) : `${whole(s.count[i])} items`;
    const pale = s.count[i] > 1 && share < 0.5;
    pen.font = `11px ${colours.sans}`;
    if (pen.measureText(text).width + 8 < wide) this.text(pen, text, left + 5, top + tall / 2 + 0.5, pale ? colours.text : "#ffffff");
  }

  // A diamond where an attempt failed for good, a triangle where it was tried again.
  mark(pen, failure, x, y) {
    const r = Math.min(6, this.row / 2 - 0.5);
    pen.beginPath();
    if (failure.retried) {
      pen.moveTo(x, y - r);
      pen.lineTo(x + r, y + r * 0.8);
      pen.lineTo(x - r, y + r * 0.8);
    } else {
      pen.moveTo(x, y - r);
      pen.lineTo(x + r, y);
      pen.lineTo(x, y + r);
      pen.lineTo(x - r, y);
    }
    pen.closePath();
    pen.fillStyle = failure.retried ? this.colours["again-mark"] : this.colours.bad;
    pen.fill();
    pen.strokeStyle = this.colours.card;
    pen.lineWidth = this.row >= 20 ? 1.5 : 0.75;
    pen.stroke();
  }
}

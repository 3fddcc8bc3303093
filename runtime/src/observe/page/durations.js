// How long items took: a histogram with a logarithmic scale of time, ten bars a decade.

const bound = (bin) => 10 ** (bin / 10);

// The duration below which the `share` of all items lies.
function quantile(bins, total, share) {
  let wanted = share * total;
  for (const { bin, count } of bins) {
    if (wanted <= count) return bound(bin + (count ? wanted / count : 0));
    wanted -= count;
  }
  return NaN;
}

class Durations {
  constructor() {
    this.canvas = find("durations");
    this.tip = find("durations-tip");
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  show(model, colours) {
    Object.assign(this, { model, colours });
    const bins = new Map();
    for (const [bin, index, count] of model.durations) {
      if (!bins.has(bin)) bins.set(bin, { bin, count: 0, parts: [] });
      const one = bins.get(bin);
      one.count += count;
      one.parts.push([index, count]);
    }
    this.bins = [...bins.values()].sort((a, b) => a.bin - b.bin);
    this.total = this.bins.reduce((sum, one) => sum + one.count, 0);
    this.marks = [["median", 0.5], ["90 %", 0.9], ["99 %", 0.99]].map(([name, share]) => [name, Math.min(quantile(this.bins, this.total, share), model.longest[0]?.length ?? Infinity)]);
    const text = this.marks.map(([name, at]) => (name === "median" ? `half of them took less than ${time(at)}` : `${name} less than ${time(at)}`));
    const longest = model.longest.length ? `, the longest ${time(model.longest[0].length)}` : "";
    const what = model.detailed ? plural(this.total, "item", "items") : `${plural(this.total, "item", "items")}, by the average of each chunk`;
    find("durations-text").textContent = this.total === 0 ? "No item has ended." : `${what}: ${text.join(", ")}${longest}.`;
    this.canvas.parentElement.hidden = this.total === 0;
    this.draw();
  }

  draw() {
    const { pen, width, height } = fresh(this.canvas);
    if (this.total === 0) return;
    const { colours, bins } = this;
    const [top, bottom, left] = [24, height - 22, 2];
    const first = Math.floor((bins[0].bin - 2) / 10) * 10;
    const last = Math.max(first + 20, Math.ceil((bins.at(-1).bin + 3) / 10) * 10);
    const most = Math.max(...bins.map((one) => one.count));
    const x = (bin) => left + ((bin - first) / (last - first)) * (width - 2 * left);
    Object.assign(this, { first, last, left, width });
    pen.font = `11px ${colours.sans}`;
    pen.textBaseline = "middle";
    for (let bin = first; bin <= last; bin += 10) {
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(x(bin)) - 0.5, top - 6, 1, bottom - top + 10);
      const label = time(Math.round(bound(bin)));
      const half = pen.measureText(label).width / 2;
      if ((last - first) / 10 > width / 60 && (bin / 10) % 3 !== 0) continue;
      pen.fillStyle = colours.muted;
      pen.textAlign = "center";
      pen.fillText(label, Math.min(width - half, Math.max(half, x(bin))), height - 8);
    }
    pen.fillRect(0, bottom, width, 1);
    for (const { bin, parts, count } of bins) {
      const wide = Math.max(1.5, x(bin + 1) - x(bin) - 1);
      const tall = Math.max(2.5, (count / most) * (bottom - top));
      let y = bottom;
      for (const [index, part] of parts) {
        const high = (tall * part) / count;
        pen.fillStyle = colours.function(index);
        pen.beginPath();
        if (part === parts.at(-1)[1]) pen.roundRect(x(bin), y - high, wide, high, [2, 2, 0, 0]);
        else pen.rect(x(bin), y - high, wide, high);
        pen.fill();
        y -= high;
      }
    }
    let free = -Infinity;
    for (const [name, at] of this.marks) {
      const place = x(10 * Math.log10(at));
      pen.strokeStyle = colours.text;
      pen.setLineDash([3, 3]);
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(place, top - 4);
      pen.lineTo(place, bottom);
      pen.stroke();
      pen.setLineDash([]);
      const half = pen.measureText(name).width / 2;
      const middle = Math.min(width - half, Math.max(half, place, free + half + 6));
      free = middle + half;
      pen.fillStyle = colours.text;
      pen.textAlign = "center";
      pen.fillText(name, middle, 9);
    }
  }

  point(event) {
    if (!this.total) return;
    const box = this.canvas.getBoundingClientRect();
    const at = this.first + ((event.clientX - box.left - this.left) / (this.width - 2 * this.left)) * (this.last - this.first);
    const one = this.bins.find(({ bin }) => at >= bin && at < bin + 1);
    if (!one) {
      this.tip.hidden = true;
      return;
    }
    const lines = [make("b", {}, plural(one.count, "item", "items")), make("span", {}, `${time(bound(one.bin))} to ${time(bound(one.bin + 1))}, ${percent(one.count / this.total)} of all`)];
    if (one.parts.length > 1) for (const [index, count] of one.parts) lines.push(make("span", {}, `${this.model.functions[index].short}: ${whole(count)}`));
    placeTip(this.tip, this.canvas.parentElement, event, lines);
  }
}

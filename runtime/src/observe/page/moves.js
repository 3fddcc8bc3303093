// What a hand does to the timeline: wheel, drag, pinch, keys, and what stands below the pointer.

class Moves {
  constructor(picture, open) {
    this.picture = picture;
    this.open = open; // Shows a failure in its list.
    this.box = find("timeline");
    this.tip = find("tip");
    this.fingers = new Map();
    this.drag = null;
    this.follow = true; // Shows all, however much that becomes.
    const on = (name, act, options) => this.box.addEventListener(name, act, options);
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.up(event));
    on("pointerleave", () => this.hideTip());
    on("dblclick", () => this.all());
    on("keydown", (event) => this.key(event));
    on("blur", () => this.hideTip());
    find("zoom-in").onclick = () => this.zoom(0.5);
    find("zoom-out").onclick = () => this.zoom(2);
    find("zoom-all").onclick = () => this.all();
    find("failure-behind").onclick = () => this.failure(1);
    find("failure-before").onclick = () => this.failure(-1);
  }

  get width() {
    return this.picture.lanes.clientWidth;
  }

  refresh() {
    const { picture } = this;
    if (this.follow) picture.view = picture.whole();
    this.draw();
  }

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.picture.draw();
    });
  }

  // Shows `from` to `to`, as near to that as there is something to see.
  show(from, to) {
    const { end } = this.picture.model;
    const length = Math.min(Math.max(to - from, Math.min(20, end)), end);
    const begin = Math.min(Math.max(from, 0), end - length);
    this.picture.view = { from: begin, to: begin + length };
    this.follow = length >= end * 0.9999;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      find("window").textContent = `Shown: ${time(begin)} to ${time(begin + length)}`;
    }, 400);
    this.draw();
  }

  all() {
    this.show(0, this.picture.model.end);
  }

  zoom(factor, around) {
    const { from, to } = this.picture.view;
    const at = around === undefined ? (from + to) / 2 : Math.min(to, Math.max(from, around));
    this.show(at - (at - from) * factor, at + (to - at) * factor);
  }

  pan(share) {
    const { from, to } = this.picture.view;
    this.show(from + (to - from) * share, to + (to - from) * share);
  }

  // The next failure, or the one before, into the middle.
  failure(direction) {
    const { model, view } = this.picture;
    const places = model.failures.map((failure) => failure.at).sort((a, b) => a - b);
    if (places.length === 0) return;
    const middle = this.shown ?? (direction > 0 ? -1 : Infinity);
    const next = direction > 0 ? places.find((at) => at > middle) ?? places[0] : places.findLast((at) => at < middle) ?? places.at(-1);
    this.shown = next;
    const length = Math.min(view.to - view.from, Math.max(model.end / 20, 1000));
    this.show(next - length / 2, next + length / 2);
  }

  wheel(event) {
    const unit = event.deltaMode === 1 ? 30 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) {
      event.preventDefault();
      this.pan((event.shiftKey && dx === 0 ? dy : dx) / Math.max(1, this.width));
      return;
    }
    // All is shown: the page scrolls on. So do lanes that do not fit, unless Control is held.
    const lanes = find("lanes-box");
    const scrolls = lanes.scrollHeight > lanes.clientHeight + 1 && lanes.contains(event.target);
    if (!event.ctrlKey && (scrolls || (this.follow && dy > 0))) return;
    event.preventDefault();
    this.zoom(Math.exp(Math.max(-200, Math.min(200, dy)) * 0.0022), this.at(event));
  }

  at(event) {
    const { left } = this.picture.lanes.getBoundingClientRect();
    return this.picture.timeAt(event.clientX - left, this.width);
  }

  // The time below the pointer in the overview.
  atAll(event) {
    const { left } = this.picture.overview.getBoundingClientRect();
    return this.picture.timeAt(event.clientX - left, this.width, this.picture.whole());
  }

  down(event) {
    if (event.button > 1) return;
    this.fingers.set(event.pointerId, event.clientX);
    const { view } = this.picture;
    const overview = event.target === this.picture.overview;
    const touched = event.pointerType === "touch";
    const moving = event.shiftKey || event.button === 1 || touched;
    if (event.button === 1) event.preventDefault();
    this.drag = { x: event.clientX, y: event.clientY, view: { ...view }, overview, moving, moved: false, from: overview ? this.atAll(event) : this.at(event) };
    if (overview && this.drag.from >= view.from && this.drag.from <= view.to && !this.follow) this.drag.moving = true;
  }

  move(event) {
    const { drag, picture } = this;
    if (!drag || !this.fingers.has(event.pointerId)) {
      this.point(event);
      return;
    }
    if (!drag.moved && Math.abs(event.clientX - drag.x) < 4) return;
    if (!drag.moved) this.box.setPointerCapture(event.pointerId);
    drag.moved = true;
    this.hideTip();
    if (this.fingers.size === 2) {
      this.pinch(event);
      return;
    }
    this.fingers.set(event.pointerId, event.clientX);
    const width = Math.max(1, this.width - picture.gutter);
    const length = drag.view.to - drag.view.from;
    if (drag.moving) {
      const per = drag.overview ? picture.model.end / width : -length / width;
      const by = (event.clientX - drag.x) * per;
      this.show(drag.view.from + by, drag.view.to + by);
    } else if (drag.overview) {
      const to = this.atAll(event);
      this.show(Math.min(drag.from, to), Math.max(drag.from, to));
    } else {
      const to = Math.min(picture.view.to, Math.max(picture.view.from, this.at(event)));
      picture.range = [Math.min(drag.from, to), Math.max(drag.from, to)];
      this.draw();
    }
  }

  pinch(event) {
    const before = [...this.fingers.values()];
    this.fingers.set(event.pointerId, event.clientX);
    const now = [...this.fingers.values()];
    const apart = ([a, b]) => Math.max(10, Math.abs(a - b));
    const { left } = this.picture.lanes.getBoundingClientRect();
    const middle = this.picture.timeAt((now[0] + now[1]) / 2 - left, this.width);
    this.zoom(apart(before) / apart(now), middle);
    this.drag.view = { ...this.picture.view };
    this.drag.x = event.clientX;
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    const { drag, picture } = this;
    if (!drag || this.fingers.size > 0) return;
    this.drag = null;
    const { range } = picture;
    picture.range = null;
    if (range && event.type === "pointerup") this.show(...range);
    else if (!drag.moved && event.type === "pointerup") this.click(event);
    this.draw();
  }

  click(event) {
    const hit = this.hit(event);
    if (hit && hit.failure) this.open(hit.failure.id);
    else this.point(event);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.box) return;
    const keys = {
      ArrowLeft: () => this.pan(-0.2), a: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2), d: () => this.pan(0.2),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), w: () => this.zoom(0.5), "-": () => this.zoom(2), s: () => this.zoom(2),
      0: () => this.all(), Home: () => this.all(), n: () => this.failure(1), p: () => this.failure(-1), Escape: () => this.hideTip(),
    };
    const act = keys[event.key] || keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // What is drawn below the pointer: a failure, a span, or a worker's life.
  hit(event) {
    const { picture } = this;
    if (event.target !== picture.lanes) return null;
    const box = picture.lanes.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const lane = picture.model.lanes.find((one) => y >= one.y && y < one.y + picture.row);
    if (!lane || x < picture.gutter) return lane ? { lane } : null;
    const at = picture.timeAt(x, this.width);
    const reach = (7 * (picture.view.to - picture.view.from)) / this.width;
    const near = (failure) => Math.abs(failure.at - at);
    const failure = lane.failures.reduce((best, one) => (near(one) <= reach && (!best || near(one) <= near(best)) ? one : best), null);
    if (failure) return { lane, failure, at };
    const s = lane.spans;
    const behind = firstBehind(s, at);
    let span = null;
    let distance = reach / 2;
    for (let i = Math.max(0, behind - 1); i < Math.min(s.n, behind + 1); i += 1) {
      const away = Math.max(0, s.begin[i] - at, at - s.end[i]);
      if (away <= distance) [span, distance] = [i, away];
    }
    const life = lane.lives.find((one) => at >= one.started && at <= (one.ended ?? picture.model.end));
    return { lane, span, life, at };
  }

  point(event) {
    const hit = this.hit(event);
    if (!hit) this.hideTip();
    else this.showTip(event, describe(this.picture.model, hit));
  }

  showTip(event, lines) {
    placeTip(this.tip, this.box, event, lines);
  }

  hideTip() {
    this.tip.hidden = true;
  }
}

// Puts `lines` beside the pointer, within `box`.
function placeTip(tip, box, event, lines) {
  tip.replaceChildren(...lines);
  tip.hidden = false;
  const { left, top, width } = box.getBoundingClientRect();
  const x = event.clientX - left + 14;
  const y = event.clientY - top + 16;
  const over = event.clientY + 16 + tip.offsetHeight > window.innerHeight && event.clientY - 10 - tip.offsetHeight > 0;
  tip.style.left = `${Math.max(0, x + tip.offsetWidth > width ? x - tip.offsetWidth - 28 : x)}px`;
  tip.style.top = `${over ? y - tip.offsetHeight - 26 : y}px`;
}

function describe(model, { lane, failure, span, life, at }) {
  const line = (...text) => make("span", {}, ...text);
  if (failure) {
    const first = failure.report.split("\n", 1)[0].slice(0, 300);
    return [
      make("b", {}, `${model.functions[failure.function].short}, item ${whole(failure.index)}`),
      make("span", { class: failure.retried ? "again" : "bad" }, `${failure.kind}${failure.retried ? ", tried again" : ""}: ${first}`),
      line(`attempt ${failure.attempt}, ${lane.where}, at ${time(failure.at)}`),
    ];
  }
  if (span !== null && span !== undefined) {
    const s = lane.spans;
    const [begin, end, count] = [s.begin[span], s.end[span], s.count[span]];
    const name = model.functions[s.function[span]].short;
    const where = `${lane.where}, from ${time(begin)}`;
    if (count === 1) return [make("b", {}, `${name}, item ${whole(s.first[span])}`), line(`${time(end - begin)}${s.again[span] ? ", failed, tried again" : s.failed[span] ? ", failed" : ""}`), line(where)];
    return [
      make("b", {}, `${name}: ${whole(count)} items`),
      line(`${time(s.busy[span])} of work in ${time(end - begin)}, ${time(s.busy[span] / count)} an item`),
      ...(s.longest[span] > 0 ? [line(`the longest ${time(s.longest[span])}`)] : []),
      ...(s.failed[span] ? [make("span", { class: "bad" }, `${whole(s.failed[span])} failed`)] : []),
      line(where),
    ];
  }
  if (lane.running && at >= lane.running.since) {
    return [make("b", {}, model.functions[lane.running.function].short), line(`at work for ${time(model.end - lane.running.since)}`), line(`${lane.where}, since ${time(lane.running.since)}`)];
  }
  if (!life || at === undefined) return [make("b", {}, lane.where), line(`${plural(lane.totals.items, "item", "items")}`)];
  const starting = life.prepared === null || at < life.prepared;
  const lines = [make("b", {}, lane.where), line(`process ${life.pid}: ${starting ? "starting" : "waiting"}`)];
  if (life.how) lines.push(make("span", { class: life.unexpected ? "bad" : "" }, `it ${life.how}, at ${time(life.ended)}`));
  return lines;
}

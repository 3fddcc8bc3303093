// The list of failures, each with its whole report.

const AT_ONCE = 25;

class Failures {
  constructor(go) {
    this.go = go; // Shows a failure in the timeline.
    this.list = find("failures");
    this.limit = AT_ONCE;
    this.built = new Map();
    find("failures-more").onclick = () => {
      this.limit += 10 * AT_ONCE;
      this.show(this.model);
    };
  }

  show(model) {
    this.model = model;
    const { totals } = model;
    const kinds = Object.entries(totals.kinds).sort((a, b) => b[1] - a[1]);
    find("failure-kinds").replaceChildren(...kinds.map(([kind, count]) => make("li", { class: "kind" }, `${kind} ${whole(count)}`)));
    const shown = model.failures.slice(0, this.limit);
    const rows = shown.map((failure) => this.row(failure));
    if (rows.length === 0) rows.push(make("li", { class: "empty" }, "No attempt failed."));
    // Rows stay as they are, so that what is open stays open.
    if (rows.length !== this.list.children.length || rows.some((row, i) => this.list.children[i] !== row)) this.list.replaceChildren(...rows);
    const more = find("failures-more");
    more.hidden = model.failures.length <= this.limit;
    more.textContent = `Show more of ${whole(model.failures.length)}`;
    find("failures-left").textContent = model.failures_left_out ? `${plural(model.failures_left_out, "further failure is", "further failures are")} counted above and not listed.` : "";
  }

  row(failure) {
    const { model } = this;
    const key = [failure.lane, failure.call, failure.index, failure.attempt, failure.told, failure.retried].join(" ");
    if (this.built.has(key)) {
      const row = this.built.get(key);
      row.dataset.id = failure.id;
      return row;
    }
    const name = model.functions[failure.function].short;
    const worker = failure.lane === null ? "no worker" : model.lanes[failure.lane].where;
    const fact = `Attempt ${failure.attempt}, ${worker}, ${failure.retried ? "tried again. " : "failed for good. "}`;
    const show = make("button", { type: "button", class: "goto", onclick: () => this.go(model.failures.find((one) => one.told === failure.told && one.index === failure.index) ?? failure) }, "Show it in the timeline");
    const head = make("summary", {},
      make("span", { class: failure.retried ? "kind again" : "kind" }, failure.kind),
      make("span", { class: "what" }, `${name}, item ${whole(failure.index)}`),
      make("span", { class: "first" }, firstLine(failure.report)),
      make("span", { class: "when" }, time(failure.at)));
    const row = make("li", { "data-id": failure.id }, make("details", {}, head, make("pre", {}, failure.report || "Nothing was reported."), make("p", {}, fact, show)));
    this.built.set(key, row);
    return row;
  }

  // Opens failure `id` and brings it into sight.
  open(id) {
    if (id >= this.limit) {
      this.limit = id + 1;
      this.show(this.model);
    }
    const row = this.list.querySelector(`[data-id="${id}"]`);
    if (!row) return;
    row.querySelector("details").open = true;
    row.scrollIntoView({ block: "center" });
    row.querySelector("summary").focus({ preventScroll: true });
  }
}

// What a report says at first, without what stands in the row already.
function firstLine(report) {
  const line = report.split("\n", 1)[0];
  const said = line.match(/^`[^`]*`, item \d+: (.*)$/s);
  return (said ? said[1] : line).slice(0, 240);
}

// Everything that is text: the numbers above, and the tables.

function showHead(model) {
  const { totals } = model;
  find("title").textContent = model.program;
  const begun = new Date(model.started);
  const lost = model.nodes.filter((node) => node.lost !== null).length;
  const nodes = model.nodes.length ? ` on ${plural(model.nodes.length, "node", "nodes")}${lost ? `, of which ${whole(lost)} lost` : ""}` : "";
  const workers = plural(model.lanes.length, "worker", "workers") + nodes;
  find("subtitle").textContent = `${workers}, ${plural(totals.items, "item", "items")}, process ${model.pid}, ${begun.toLocaleString("sv")}`;
  const state = find("state");
  const running = totals.running;
  state.className = model.live && !model.finished ? "live" : totals.failed ? "bad" : "";
  const went = totals.failed ? `${whole(totals.failed)} failed` : "no failure";
  const runs = running ? `${plural(running, "call", "calls")} ${model.live ? "running" : "unfinished"}` : model.live ? "idle" : went;
  state.textContent = model.finished ? (totals.failed ? went : "finished") : runs;

  const share = utilisation(model.lanes);
  const known = totals.expected > 0;
  const tiles = [
    { name: "Items done", value: whole(totals.items), note: known && totals.expected !== totals.items ? `of ${whole(totals.expected)}` : plural(totals.calls, "call", "calls"), bar: totals.items < totals.expected && !model.finished ? totals.items / totals.expected : NaN },
    { name: "Failed", value: whole(totals.failed), note: totals.dropped ? `and ${whole(totals.dropped)} never run` : totals.failed ? percent(totals.failed / (totals.items + totals.failed)) : "none lost", kind: totals.failed ? "bad" : "" },
    { name: "Tried again", value: whole(totals.retried), note: totals.crashes ? `${plural(totals.crashes, "worker", "workers")} lost` : "never", kind: totals.retried ? "again" : "" },
    { name: "Throughput", value: rate(totals.items / (totals.calling / 1e9)), note: "items, while calls ran" },
    { name: "Utilisation", value: percent(share), bar: share },
    { name: "Time", value: time(totals.calling), note: `from first to last ${time(model.end)}` },
  ];
  find("tiles").replaceChildren(...tiles.map(({ name, value, note, kind, bar }) => {
    const last = Number.isFinite(bar) ? make("dd", { class: "note" }, make("progress", { max: 1, value: Math.min(1, bar), "aria-label": name }), bar === share ? "" : note) : make("dd", { class: "note" }, note ?? "");
    return make("div", { class: kind || false }, make("dt", {}, name), make("dd", {}, value), last);
  }));
}

function showLegend(model) {
  const entries = model.functions.slice(0, FIRST_COLOURS).map((one, index) => [swatch(index), one.short, one.name]);
  if (model.functions.length > FIRST_COLOURS) entries.push([swatch(FIRST_COLOURS), `${model.functions.length - FIRST_COLOURS} more`]);
  if (model.lanes.some((lane) => lane.lives.length)) entries.push([make("span", { class: "swatch hatch" }), "starting"]);
  if (model.failures.some((one) => one.retried)) entries.push([make("span", { class: "mark-again" }), "failed, tried again"]);
  if (model.failures.some((one) => !one.retried)) entries.push([make("span", { class: "mark-bad" }), "failed"]);
  find("legend").replaceChildren(...entries.map(([mark, name, title]) => make("li", { title: title ?? false }, mark, make("span", {}, name))));
  for (const id of ["failure-before", "failure-behind"]) find(id).hidden = model.failures.length === 0;
  const merged = model.merged_below ? `Items that follow each other within ${time(model.merged_below)} are drawn as one. ` : "";
  const left = model.lanes_left_out ? `${plural(model.lanes_left_out, "further worker is", "further workers are")} counted and not drawn. ` : "";
  const coarse = model.detailed ? "" : "Chunks of items are drawn, since the times of single items were not asked for.";
  find("grain").textContent = merged + left + coarse;
}

function swatch(index) {
  const mark = make("span", { class: "swatch" });
  mark.style.background = `var(--${colourOf(index)})`;
  return mark;
}

// A table: columns are `[title, explanation or class, cell]`, the first one's cells are its rows' heads.
function table(caption, columns, rows, foot) {
  const cells = (row, tag) => columns.map(({ cell, name, kind }, i) => {
    const value = cell(row);
    const style = [name ? "name" : "", kind ? kind(row) : ""].join(" ").trim();
    const attributes = { class: style || false, title: name && typeof value === "string" ? value : false };
    return make(i === 0 ? "th" : tag, i === 0 ? { scope: "row" } : attributes, value);
  });
  const head = columns.map(({ title, name, hint }) => make("th", { scope: "col", class: name ? "name" : false, title: hint ?? false }, title));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row, "td"))));
  const built = make("table", {}, make("caption", { class: "unseen" }, caption), make("thead", {}, make("tr", {}, ...head)), body);
  if (foot) built.append(make("tfoot", {}, make("tr", {}, ...cells(foot, "td"))));
  return built;
}

function bar(share) {
  if (!Number.isFinite(share)) return "–";
  return make("span", {}, make("progress", { max: 1, value: Math.min(1, share), "aria-hidden": "true" }), percent(share));
}

// The sums of lanes.
function sumOf(lanes) {
  const zero = { items: 0, failed: 0, retried: 0, starting: 0, initializing: 0, decoding: 0, running: 0, encoding: 0, at_work: 0, alive: 0, bytes_in: 0, bytes_out: 0, peak_memory: 0, cpu: 0, processes: 0 };
  return lanes.reduce((all, { totals }) => {
    const next = { ...all };
    for (const key of Object.keys(zero)) next[key] = key === "peak_memory" ? Math.max(all[key], totals[key]) : all[key] + totals[key];
    return next;
  }, zero);
}

function showWorkers(model) {
  const some = (key, least = 1) => model.lanes.some(({ totals }) => totals[key] >= least);
  const columns = [
    { title: "Worker", cell: (t) => t.label },
    model.nodes.length && { title: "Node", name: true, cell: (t) => t.node, kind: (t) => (t.lost ? "bad" : "") },
    { title: "Items", cell: (t) => whole(t.items) },
    { title: "Failed", cell: (t) => whole(t.failed), kind: (t) => (t.failed ? "bad" : "") },
    some("retried") && { title: "Tried again", cell: (t) => whole(t.retried), kind: (t) => (t.retried ? "again" : "") },
    { title: "Utilisation", cell: (t) => bar(busyTime(t) / t.alive), kind: () => "share" },
    { title: "Working", cell: (t) => time(t.running), hint: "in the function" },
    { title: "An item", cell: (t) => time(t.items + t.failed ? t.running / (t.items + t.failed) : NaN), hint: "in the function, on average" },
    some("decoding") && { title: "Decoding", cell: (t) => time(t.decoding), hint: "making arguments out of bytes" },
    some("encoding") && { title: "Encoding", cell: (t) => time(t.encoding), hint: "making bytes out of results" },
    { title: "Waiting", cell: (t) => time(Math.max(0, t.alive - t.starting - t.initializing - busyTime(t))) },
    { title: "Start", cell: (t) => time(t.starting) },
    some("initializing") && { title: "Init", cell: (t) => time(t.initializing), hint: "in the pool's init function" },
    { title: "Arguments", cell: (t) => bytes(t.bytes_in) },
    { title: "Results", cell: (t) => bytes(t.bytes_out) },
    some("peak_memory") && { title: "Memory", cell: (t) => (t.peak_memory ? bytes(t.peak_memory) : "–"), hint: "the most it had in use, known when it has ended" },
    some("processes", 2) && { title: "Processes", cell: (t) => whole(t.processes) },
  ].filter(Boolean);
  const name = (node) => (node.lost === null ? node.name : `${node.name}, lost`);
  const told = (node) => (node ? { node: name(node), lost: node.lost !== null } : {});
  const row = (lane, node) => ({ label: lane.label, ...told(node), ...lane.totals });
  const sums = (node) => (node && node.lanes.length > 1 ? [{ label: "All", ...told(node), ...sumOf(node.lanes) }] : []);
  const groups = model.nodes.length ? model.nodes : [null];
  const rows = groups.flatMap((node) => [...(node ?? model).lanes.map((lane) => row(lane, node)), ...sums(node)]);
  const foot = rows.length > 1 ? { label: "All", node: "", ...sumOf(model.lanes) } : null;
  find("workers-table").replaceChildren(rows.length ? table("What each worker did", columns, rows, foot) : make("p", { class: "empty" }, "No worker was started."));
}

function showCalls(model) {
  const length = (call) => (call.ended ?? model.now) - call.began;
  const columns = [
    { title: "Function", cell: (call) => model.functions[call.function].name },
    { title: "Items", cell: (call) => (call.items === null ? "–" : whole(call.items)) },
    { title: "Done", cell: (call) => whole(call.done) },
    { title: "Failed", cell: (call) => whole(call.failed), kind: (call) => (call.failed ? "bad" : "") },
    { title: "Tried again", cell: (call) => whole(call.retried), kind: (call) => (call.retried ? "again" : "") },
    { title: "Began at", cell: (call) => time(call.began) },
    { title: "Took", cell: (call) => (call.ended === null ? (model.finished ? "not ended" : "running") : time(length(call))) },
    { title: "Rate", cell: (call) => rate(call.done / (length(call) / 1e9)) },
  ];
  find("calls-table").replaceChildren(model.calls.length ? table("The calls, in the order in which they began", columns, model.calls) : make("p", { class: "empty" }, "No call was made."));
  find("calls-left").textContent = model.calls_left_out ? `${plural(model.calls_left_out, "earlier call is", "earlier calls are")} counted and not listed.` : "";
}

function showLongest(model, go) {
  const columns = [
    { title: "Item", cell: (one) => make("button", { type: "button", class: "goto", onclick: () => go(one), title: "Show it in the timeline" }, whole(one.index)) },
    { title: "Function", name: true, cell: (one) => model.functions[one.function].short },
    { title: "Worker", cell: (one) => (one.lane === null ? "–" : model.lanes[one.lane].short) },
    { title: "Took", cell: (one) => time(one.length) },
  ];
  const what = model.longest.length ? table("The longest items", columns, model.longest) : make("p", { class: "empty" }, model.detailed ? "No item has ended." : "The times of single items were not asked for.");
  find("longest").replaceChildren(what);
}

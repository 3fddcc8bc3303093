// What is shown, out of the JSON that the program wrote.

const FIRST_COLOURS = 7;
const colourOf = (index) => `c${index < FIRST_COLOURS ? index : 7}`;

// The columns of a lane's spans as arrays to search in. Beginnings come as differences, and what is 0 for a
// single item that went well is left out of the columns' ends.
function decodeSpans(columns) {
  const n = columns.begin.length;
  const column = (name) => Float64Array.from({ length: n }, (_, i) => columns[name][i] || 0);
  const begin = column("begin");
  for (let i = 1; i < n; i += 1) begin[i] += begin[i - 1];
  const length = column("length");
  const [count, busy, longest] = [column("count"), column("busy"), column("longest")];
  for (let i = 0; i < n; i += 1) {
    if (count[i] !== 0) continue;
    [count[i], busy[i], longest[i]] = [1, length[i], length[i]];
  }
  const end = begin.map((at, i) => at + length[i]);
  return { n, begin, end, count, busy, longest, failed: column("failed"), function: column("function"), first: column("first") };
}

const placeOf = (node) => `${node.host} (rank ${node.rank})`;

function decode(data) {
  const lanes = data.lanes.map((lane, index) => {
    const spans = decodeSpans(lane.spans);
    const failures = [];
    const on = data.nodes.length ? ` on ${placeOf(data.nodes[lane.node])}` : "";
    return { ...lane, index, spans, failures, where: lane.label + on, short: lane.number === null ? "–" : String(lane.number) };
  });
  const nodes = data.nodes.map((node, index) => ({ ...node, name: placeOf(node), lanes: lanes.filter((lane) => lane.node === index) }));
  const used = nodes.filter((node) => node.lanes.length > 0 || node.lost !== null).sort((a, b) => a.rank - b.rank);
  data.failures.forEach((failure, index) => {
    failure.id = index;
    failure.told = failure.at;
    if (failure.lane !== null && lanes[failure.lane]) lanes[failure.lane].failures.push(failure);
  });
  for (const lane of lanes) placeFailures(lane);
  const names = shorten(data.functions.map((one) => one.name));
  const functions = data.functions.map((one, i) => ({ ...one, short: names[i] }));
  const end = Math.max(data.now, 1);
  return { ...data, functions, lanes, nodes: used, end };
}

const LOOK_BACK = 64;

// Which spans are attempts that failed and were tried again. Failures that are known later than they happened are
// shown where they happened.
function placeFailures({ spans, failures }) {
  spans.again = new Uint8Array(spans.n);
  for (const failure of failures) {
    const last = Math.min(spans.n - 1, firstBehind(spans, failure.at - 1));
    for (let i = last; i >= 0 && i > last - LOOK_BACK; i -= 1) {
      if (!spans.failed[i] || spans.first[i] !== failure.index || spans.end[i] > failure.told) continue;
      if (failure.retried) spans.again[i] = 1;
      failure.at = spans.end[i];
      failure.began ??= spans.begin[i];
      break;
    }
  }
}

// The first span of `spans` that ends behind `at`. Spans of a lane follow each other.
function firstBehind(spans, at) {
  let [low, high] = [0, spans.n];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans.end[middle] > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

// How many workers were busy, and how many were there, on average in each of `bins` parts of a stretch of time.
function usage(model, from, to, bins) {
  const [busy, alive] = [new Float64Array(bins), new Float64Array(bins)];
  const width = (to - from) / bins;
  const spread = (into, begin, end, amount) => {
    const [low, high] = [Math.max(begin, from), Math.min(end, to)];
    if (high <= low) {
      if (begin >= from && begin < to) into[Math.min(bins - 1, Math.floor((begin - from) / width))] += amount / width;
      return;
    }
    const density = amount / Math.max(end - begin, 1e-9);
    const [one, last] = [Math.floor((low - from) / width), Math.min(bins - 1, Math.floor((high - from) / width))];
    for (let i = one; i <= last; i += 1) {
      const part = Math.min(high, from + (i + 1) * width) - Math.max(low, from + i * width);
      if (part > 0) into[i] += (density * part) / width;
    }
  };
  for (const lane of model.lanes) {
    const s = lane.spans;
    for (let i = firstBehind(s, from); i < s.n && s.begin[i] < to; i += 1) spread(busy, s.begin[i], s.end[i], s.busy[i]);
    if (lane.running) spread(busy, lane.running.since, model.end, model.end - lane.running.since);
    for (const life of lane.lives) {
      const end = life.ended === null ? model.end : life.ended;
      spread(alive, life.started, end, end - life.started);
    }
  }
  return { busy, alive };
}

const busyTime = (totals) => totals.decoding + totals.running + totals.encoding + totals.at_work;

// The share of their time for which workers were busy.
function utilisation(lanes) {
  let [busy, alive] = [0, 0];
  for (const lane of lanes) {
    busy += busyTime(lane.totals);
    alive += lane.totals.alive;
  }
  return alive > 0 ? Math.min(1, busy / alive) : NaN;
}

// Puts the page together, and follows the program if it still runs.

const POLL = 1000;

const picture = new Picture();
const failures = new Failures((failure) => goTo(failure.lane, failure.began ?? failure.at, failure.at));
const moves = new Moves(picture, (id) => failures.open(id));
const durations = new Durations();
let model = null;

function goTo(lane, from, to) {
  const room = Math.max((to - from) * 1.5, model.end / 200, 100);
  moves.show(from - room, to + room);
  const box = find("lanes-box");
  if (lane !== null) box.scrollTop = model.lanes[lane].y - box.clientHeight / 2;
  find("timeline").scrollIntoView({ block: "center" });
  find("timeline").focus({ preventScroll: true });
}

function show(data) {
  model = decode(data);
  const colours = readColours();
  showHead(model);
  showLegend(model);
  picture.show(model, colours);
  moves.refresh();
  durations.show(model, colours);
  showLongest(model, (one) => goTo(one.lane, one.began, one.began + one.length));
  failures.show(model);
  showWorkers(model);
  showCalls(model);
  document.documentElement.dataset.shown = String(data.revision);
}

function redraw() {
  if (!model) return;
  const colours = readColours();
  picture.show(model, colours);
  moves.draw();
  durations.show(model, colours);
}

function complain(text) {
  find("notice").textContent = text;
  find("notice").hidden = text === "";
}

window.addEventListener("error", (event) => complain(`The page has a fault: ${event.message}`));
window.addEventListener("resize", redraw);
scheme.addEventListener("change", redraw);

// Asks for what is new, again and again, and only while somebody looks.
async function follow(data) {
  let { revision, finished } = data;
  let misses = 0;
  while (!finished) {
    await new Promise((wake) => setTimeout(wake, POLL * Math.min(8, misses + 1)));
    if (document.hidden) continue;
    try {
      const answer = await fetch(`data.json?since=${revision}`, { cache: "no-store" });
      if (answer.status === 200) {
        const next = await answer.json();
        ({ revision, finished } = next);
        show(next);
      } else if (answer.status !== 204) {
        throw new Error(answer.statusText);
      }
      misses = 0;
      complain("");
    } catch {
      misses += 1;
      find("state").className = "";
      find("state").textContent = "not connected";
      if (misses >= 3) complain("The program does not answer; it has probably ended. What stands here is the last that it told.");
    }
  }
}

const first = JSON.parse(find("data").textContent);
show(first);
if (first.live) follow(first);

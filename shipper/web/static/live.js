// The live tail of the log page. Values of records become text nodes, never markup.

const KEPT = 500; // lines in the page
const button = document.querySelector("#live");
const list = document.querySelector("#arriving");
const said = document.querySelector("#tail");
let source = null;
let waiting = []; // lines that arrived while the page is scrolled down
let left = 0;
let seen = []; // [time, count] of the last seconds, for the rate

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => (source ? stop("stopped") : start()));
  addEventListener("scroll", () => scrollY < 200 && show(), { passive: true });
  addEventListener("pagehide", () => stop(""));
}

function start() {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  source = new EventSource(`/live?${new URLSearchParams({ q: query })}`);
  source.addEventListener("open", () => say());
  source.addEventListener("records", (event) => arrived(JSON.parse(event.data)));
  source.addEventListener("fault", (event) => stop(JSON.parse(event.data).fault));
  source.addEventListener("error", () => stop("interrupted; records since then are in the list after a reload"));
  button.setAttribute("aria-pressed", "true");
  list.hidden = false;
  said.textContent = "waiting for records …";
}

function stop(why) {
  source?.close();
  source = null;
  button.setAttribute("aria-pressed", "false");
  said.textContent = why;
}

function arrived({ rows, left: omitted }) {
  waiting.push(...rows);
  left += omitted + Math.max(0, waiting.length - KEPT);
  waiting = waiting.slice(-KEPT);
  seen.push([Date.now(), rows.length + omitted]);
  if (scrollY < 200) show();
  say();
}

function show() {
  for (const row of waiting) list.prepend(line(row));
  waiting = [];
  while (list.childElementCount > KEPT) list.lastElementChild.remove();
}

function say() {
  const now = Date.now();
  seen = seen.filter(([at]) => now - at < 10000);
  const rate = seen.reduce((sum, [, count]) => sum + count, 0) / 10;
  const held = waiting.length ? `, ${waiting.length} new above` : "";
  const omitted = left ? `, ${left} left out here (they are in the store)` : "";
  said.textContent = `live, ${rate.toFixed(1)} records/s${held}${omitted}`;
}

function line(row) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const level = document.createElement("b");
  const notes = document.createElement("small");
  const known = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].includes(row.level);
  level.className = known ? `level ${row.level.toLowerCase()}` : "level";
  level.textContent = row.level;
  notes.textContent = row.notes;
  link.href = row.link;
  link.append(`${row.time.slice(11, 23)} `, level, ` ${row.origin} ${row.message} `, notes);
  item.append(link);
  return item;
}

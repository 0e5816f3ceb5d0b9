// The live tail of the log page. Values of records become text nodes, never markup. What is left out
// stands in the list with its number, where it is missing.

const KEPT = 500; // lines in the page, and of those that wait
const RATE_MS = 10000; // the rate is that of so long
const TOP = 200; // pixels; further down the list stays as it is
const button = document.querySelector("#live");
const list = document.querySelector("#arriving");
const said = document.querySelector("#tail");
let source = null;
let began = 0;
let total = 0; // records since then
let waiting = []; // lines that arrived while the page is scrolled down, the oldest first
let seen = []; // [time, count] of the last seconds

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => (source ? stop("stopped") : start()));
  addEventListener("scroll", () => source && scrollY < TOP && show(), { passive: true });
  addEventListener("pagehide", () => stop(""));
}

function start() {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  source = new EventSource(`/live?${new URLSearchParams({ q: query })}`);
  source.addEventListener("records", (event) => arrived(JSON.parse(event.data)));
  source.addEventListener("fault", (event) => stop(JSON.parse(event.data).fault));
  source.addEventListener("error", () => stop("interrupted; records since then are in the list after a reload"));
  button.setAttribute("aria-pressed", "true");
  list.hidden = false;
  said.setAttribute("aria-live", "off"); // the rate is not read out all the time
  said.textContent = "waiting for records …";
  [began, total, seen] = [Date.now(), 0, []];
}

function stop(why) {
  source?.close();
  source = null;
  button.setAttribute("aria-pressed", "false");
  said.setAttribute("aria-live", "polite");
  said.textContent = why;
}

function arrived({ rows, left }) {
  waiting.push(...(left ? [{ left }] : []), ...rows); // the oldest of a step are left out
  if (waiting.length > KEPT) {
    const over = waiting.splice(0, waiting.length - KEPT + 1);
    waiting.unshift({ left: over.reduce((sum, item) => sum + (item.left ?? 1), 0) });
  }
  total += rows.length + left;
  seen.push([Date.now(), rows.length + left]);
  if (scrollY < TOP) show();
  else say();
}

function show() {
  const lines = document.createDocumentFragment();
  for (const item of waiting.reverse()) lines.append(item.left ? gap(item.left) : line(item));
  list.prepend(lines);
  waiting = [];
  while (list.childElementCount > KEPT) list.lastElementChild.remove();
  say();
}

function say() {
  const now = Date.now();
  seen = seen.filter(([at]) => now - at < RATE_MS);
  const rate = seen.reduce((sum, [, count]) => sum + count, 0) / (Math.min(RATE_MS, now - began) / 1000);
  const held = waiting.reduce((sum, item) => sum + (item.left ?? 1), 0);
  const above = held ? `, ${held.toLocaleString("en")} new above` : "";
  const shown = list.childElementCount;
  said.textContent = `live, ${rate.toFixed(1)} records/s, ${total.toLocaleString("en")} since the start, the newest ${shown} shown${above}`;
}

function gap(count) {
  const item = document.createElement("li");
  item.className = "gap";
  item.textContent = `${count.toLocaleString("en")} records are left out here; they are in the store`;
  return item;
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

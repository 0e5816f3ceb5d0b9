// What the pages do besides showing: they renew themselves, and listen to keys. All of it works
// without this file, too. Nothing from a record is ever put into the page as markup.

const state = document.querySelector("#state");
let since = null;

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(20000), cache: "no-store" });
    if (answer.status === 401) throw new Error("log in again, or open the new link of the dashboard");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = document.importNode(page.querySelector("main"), true);
    if (document.activeElement?.closest("main form") || isFilled()) return; // somebody is typing
    for (const each of document.querySelectorAll("main details[id][open]")) {
      main.querySelector(`#${CSS.escape(each.id)}`)?.setAttribute("open", "");
    }
    document.querySelector("main").replaceWith(main);
    document.body.dataset.refresh = page.body.dataset.refresh;
    state.textContent = page.querySelector("#state").textContent;
    state.classList.remove("stale");
    since = null;
  } catch (error) {
    since ??= new Date();
    state.textContent = `no answer since ${since.toLocaleTimeString()}: ${error.message}`;
    state.classList.add("stale");
  }
}

function isFilled() {
  const fields = [...document.querySelectorAll("main input, main textarea")];
  return fields.some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
}

async function wait() {
  const seconds = Number(document.body.dataset.refresh);
  if (!seconds) return;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  await renew();
  wait();
}

wait();

// A question may take some seconds. It ends, in the store too, when the browser stops to wait for it.
const cancel = document.querySelector("#cancel");
let told = "";

function asking() {
  if (!cancel.hidden) return;
  told = state.textContent;
  state.textContent = "asking …";
  cancel.hidden = false;
}

function answered(text) {
  if (cancel.hidden) return;
  state.textContent = text;
  cancel.hidden = true;
}

document.addEventListener("submit", asking);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.button || event.defaultPrevented;
  if (link && !elsewhere && link.origin === location.origin && link.pathname !== "/download" && !link.hash) asking();
});
cancel.addEventListener("click", () => {
  window.stop();
  answered("cancelled");
});
addEventListener("pageshow", () => answered(told)); // back from another page

// Times are in UTC, or in the zone of this browser if its user wants that: a cookie says so.
const zone = document.querySelector("#zone");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (own && own !== "UTC") {
  zone.hidden = false;
  zone.addEventListener("click", () => {
    const next = zone.textContent === "UTC" ? encodeURIComponent(own) : "UTC";
    document.cookie = `zone=${next}; path=/; max-age=31536000; samesite=strict`;
    location.reload();
  });
}

const keys = document.querySelector("#keys");
const places = { o: "/", l: "/logs", i: "/incidents", r: "/rules", p: "/pipeline", e: "/reports" };
let going = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const link = going && places[event.key];
  going = event.key === "g";
  if (link) {
    asking();
    location.href = link;
  } else if (event.key === "?") keys.showModal();
  else if (event.key === "Escape" && !cancel.hidden) cancel.click();
  else if (event.key === "/") focusOn(document.querySelector("#query"), event);
  else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
});

// What is worth to be copied has a button for it, made when it is first in sight.
function offerCopies() {
  for (const text of document.querySelectorAll(".copied:not(.offered)")) {
    if (!text.checkVisibility()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    });
    text.classList.add("offered");
    text.after(" ", button);
  }
}

if (navigator.clipboard) {
  document.addEventListener("toggle", offerCopies, { capture: true });
  offerCopies();
}

function focusOn(element, event) {
  if (element) event.preventDefault();
  element?.focus();
}

function step(by) {
  const all = [...document.querySelectorAll(".records > li > details > summary")];
  const at = all.indexOf(document.activeElement);
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

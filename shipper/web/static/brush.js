// Zooms to the part of the histogram that is dragged over. Without this file its bars are links.

const chart = document.querySelector(".histogram");
const said = document.querySelector("#brushed");
const LEAST = 4; // pixels; less is a click

if (chart) {
  const { since, step, slots } = chart.dataset;
  const width = chart.viewBox.baseVal.width;
  let from = null; // where the drag began
  let area = null;

  const slotAt = (event) => {
    const box = chart.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.9999);
    return Math.floor(share * slots);
  };
  const timeAt = (slot) => new Date(Number(since) + slot * step).toISOString();
  const chosen = (event) => [slotAt(from), slotAt(event)].sort((a, b) => a - b);
  const end = () => {
    area?.remove();
    from = area = null;
    said.textContent = "";
  };

  chart.addEventListener("dragstart", (event) => event.preventDefault()); // of a link
  chart.addEventListener("pointerdown", (event) => {
    if (event.button === 0) from = event;
  });
  addEventListener("pointermove", (event) => {
    if (!from || (!area && Math.abs(event.clientX - from.clientX) < LEAST)) return;
    if (!area) {
      area = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      area.setAttribute("class", "brush");
      area.setAttribute("height", chart.viewBox.baseVal.height);
      chart.append(area);
    }
    const [first, last] = chosen(event);
    area.setAttribute("x", (first * width) / slots);
    area.setAttribute("width", ((last + 1 - first) * width) / slots);
    said.textContent = `${timeAt(first)} – ${timeAt(last + 1)}`;
  });
  addEventListener("pointerup", (event) => {
    if (!area) return end();
    const [first, last] = chosen(event);
    const state = new URLSearchParams(location.search);
    state.delete("range");
    state.set("since", timeAt(first));
    state.set("until", timeAt(last + 1));
    addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true }); // of the bar
    end();
    location.search = state;
  });
  addEventListener("pointercancel", end);
  addEventListener("keydown", (event) => event.key === "Escape" && end());
}

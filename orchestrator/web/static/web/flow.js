// Keeps the page of a running flow up to date: every event asks for the parts again, and only those that changed are
// swapped, so that what is open, scrolled or selected elsewhere stays.
"use strict";
const body = document.getElementById("flow-body");
const live = document.getElementById("live");
const ended = () => body.querySelector("[data-ended]") !== null;
const SETTLE_MS = 150, GROW_MS = 3000;
let busy = false, again = false, timer = 0;

function swap(part, fresh) {
  if (part.innerHTML === fresh.innerHTML) return;
  const focused = document.activeElement;
  if (part.contains(focused) && focused.matches("button, input, select")) return; // not under a finger; the next look swaps it
  const folds = new Map([...part.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  fresh.querySelectorAll("details[id]").forEach((one) => { if (folds.has(one.id)) one.open = folds.get(one.id); });
  part.replaceChildren(...fresh.childNodes);
}

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const address = new URL(location.href);
    address.searchParams.set("part", "body");
    const answer = await fetch(address, { credentials: "same-origin" });
    if (answer.redirected) { location.reload(); return; }
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      body.querySelectorAll("[data-part]").forEach((part) => {
        const fresh = page.getElementById(part.id);
        if (fresh) swap(part, fresh);
      });
    }
  } catch { /* the next event asks again */ }
  busy = false;
  if (ended()) { stop(); return; }
  if (again) { again = false; soon(); }
}

function soon() { clearTimeout(timer); timer = setTimeout(refresh, SETTLE_MS); }

let stream = null, grow = 0;
function stop() {
  if (stream) stream.close();
  clearInterval(grow);
  if (live.textContent) live.textContent = "This flow has ended.";
}
function start() {
  live.textContent = "This page follows the flow.";
  stream = new EventSource(body.dataset.events + "?after=" + body.dataset.after);
  for (const kind of body.dataset.kinds.split(" ")) stream.addEventListener(kind, soon);
  stream.addEventListener("end", () => { stream.close(); soon(); });
  grow = setInterval(() => { if (!document.hidden) refresh(); }, GROW_MS); // bars of what runs grow without an event
}
if (!ended()) start();
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

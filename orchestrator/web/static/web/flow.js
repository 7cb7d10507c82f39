// Asks for the body of the page again while the flow goes on; stops when it has ended or the tab is hidden.
"use strict";
const body = document.getElementById("flow-body");
async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch("?part=body", { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const open = [...body.querySelectorAll("details[open]")].map((one) => one.id);
        body.innerHTML = await answer.text();
        open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
      }
    } catch { /* the next look may succeed */ }
  }
  if (!body.querySelector("[data-ended]")) setTimeout(refresh, 1500);
}
if (!body.querySelector("[data-ended]")) setTimeout(refresh, 1500);

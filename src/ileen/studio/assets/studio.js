// The studio's one script: it follows a run while the page is open. Without it, pages reload instead.

const page = () => document.querySelector("#run");

/** Show the page anew from the server, which alone knows what a run has become, and say so. */
async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const kept = document.activeElement?.closest("#run") ? document.activeElement.id : "";
  for (const part of ["#run", ".chip"]) {
    const old = document.querySelector(part);
    const made = fresh.querySelector(part);
    if (old && made) old.replaceWith(made);
  }
  if (kept) document.getElementById(kept)?.focus();
  document.querySelector("#announce").textContent = page()?.dataset.says ?? "";
  follow();
}

/** Return the place of a part of the answer, made if it is new. */
function block(number) {
  const answer = document.querySelector("#answer");
  const found = answer.querySelectorAll(":scope > .block");
  if (found[number]) return found[number];
  const made = document.createElement("div");
  made.className = "block";
  answer.insertBefore(made, answer.querySelector(".working"));
  return made;
}

function fill(place, html) {
  // The server's own templates, in which every value is escaped.
  place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
}

function follow() {
  const url = page()?.dataset.events;
  if (!url) return;
  const events = new EventSource(url);
  const on = (name, act) => events.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("block", ({ number, html }) => fill(block(number), html));
  on("text", ({ number, text }) => block(number).querySelector(".words")?.append(text));
  on("meter", ({ html }) => fill(document.querySelector("#meter"), html));
  on("over", () => {
    events.close();
    renew();
  });
}

/** A menu closes by Escape and by a press beside it, and gives the focus back. */
function closeMenus(event) {
  for (const menu of document.querySelectorAll("details.user[open]")) {
    if (event.type === "keydown" ? event.key !== "Escape" : menu.contains(event.target)) continue;
    menu.open = false;
    if (event.type === "keydown") menu.querySelector("summary").focus();
  }
}

addEventListener("keydown", closeMenus);
addEventListener("click", closeMenus);
follow();

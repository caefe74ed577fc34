// The balance on a page follows the ledger while the page is open. Without script the page is complete, only not live.
//
// A section names the stream in `data-live`. What is marked `data-field` shows that amount of the wallet, within its
// `data-sentence` if it has one. Nothing is announced: figures that change by themselves would talk over the reader.
// WCAG 2.2.2 asks for a way to stop them, which is the switch; a hidden tab listens to nothing.

const section = document.querySelector("[data-live]");
const choice = section.querySelector("[data-switch]");
const money = new Intl.NumberFormat(section.dataset.locale, {
  style: "currency",
  currency: "EUR",
  useGrouping: "always",
  roundingMode: "floor",
});
let stream = null;

function show(wallet) {
  for (const place of section.querySelectorAll("[data-field]")) {
    const amount = money.format(wallet[place.dataset.field]);
    place.textContent = (place.dataset.sentence ?? "{amount}").replace("{amount}", () => amount);
  }
}

function follow() {
  const wanted = choice.checked && !document.hidden;
  if (!wanted) {
    stream?.close();
    stream = null;
  } else if (stream === null || stream.readyState === EventSource.CLOSED) {
    stream = new EventSource(section.dataset.live);
    stream.addEventListener("balance", (event) => show(JSON.parse(event.data)));
  }
}

choice.closest("[hidden]").hidden = false;
choice.addEventListener("change", follow);
document.addEventListener("visibilitychange", follow);
follow();

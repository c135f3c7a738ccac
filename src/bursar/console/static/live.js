// The live dot, and figures that follow it: when new charges came in, the same page is asked again and its parts marked
// `data-part` are replaced. What the server draws stays the one truth.
const EVERY_MS = 5000;

export function startLive(afterSwap) {
  const dot = document.querySelector("[data-live]");
  if (!dot) return;
  let seen = null;
  const ask = async () => {
    if (document.hidden) return;
    const reply = await fetch("/api/live").catch(() => null);
    if (!reply?.ok) {
      tell(dot, "late", "console not answering");
      return;
    }
    const live = await reply.json();
    tell(dot, live.state, live.text);
    if (seen !== null && seen !== live.version && document.body.dataset.fresh) await refresh(afterSwap);
    seen = live.version;
  };
  ask();
  setInterval(ask, EVERY_MS);
}

function tell(dot, state, text) {
  dot.hidden = false;
  dot.dataset.state = state;
  dot.querySelector("span").textContent = text;
}

async function refresh(afterSwap) {
  if (document.querySelector("details.menu[open], dialog[open]") || document.querySelector("main :focus, .tip.on, tr.at")) return;
  const reply = await fetch(location.href).catch(() => null);
  if (!reply?.ok) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const found = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (found) part.replaceWith(document.adoptNode(found));
  }
  afterSwap(document);
}

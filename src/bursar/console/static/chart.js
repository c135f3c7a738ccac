// What a chart says under the pointer, arrows from bar to bar, and a drag that sets the period.
// The bars themselves are links drawn by the server.
export function startCharts(root) {
  for (const figure of root.querySelectorAll("[data-chart]")) {
    if (!figure.dataset.ready) start(figure);
  }
}

function start(figure) {
  figure.dataset.ready = "1";
  const facts = JSON.parse(figure.querySelector("script").textContent);
  const plot = figure.querySelector(".plot");
  const bars = [...plot.querySelectorAll(".bucket")];
  const tip = element("div", "tip");
  figure.append(tip);
  for (const bar of bars) bar.querySelector("title")?.remove();

  const show = (bar) => {
    const fact = facts[Number(bar.dataset.at)];
    tip.replaceChildren(...tipParts(fact));
    const inside = figure.getBoundingClientRect();
    const place = bar.querySelector(".hit").getBoundingClientRect();
    const right = place.right - inside.left + 10;
    const fits = right + tip.offsetWidth < inside.width;
    tip.style.left = `${Math.max(0, fits ? right : place.left - inside.left - tip.offsetWidth - 10)}px`;
    tip.classList.add("on");
  };
  const hide = () => tip.classList.remove("on");
  plot.addEventListener("pointerover", (event) => {
    const bar = event.target.closest(".bucket");
    if (bar) show(bar);
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("focusin", (event) => event.target.closest(".bucket") && show(event.target.closest(".bucket")));
  plot.addEventListener("focusout", hide);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = bars.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    bars[Math.min(Math.max(at + step, 0), bars.length - 1)].focus();
  });
  brush(plot, bars, facts);
}

function tipParts(fact) {
  const head = element("h3", "", element("span", "", fact.title), element("span", "", fact.total));
  const rows = fact.rows.map(([slot, name, amount, share]) =>
    element("tr", "",
      element("td", "", element("i", `key k${slot}`), element("bdi", "", name)),
      element("td", "num", amount),
      element("td", "num quiet", share)),
  );
  const parts = [head, element("table", "", element("tbody", "", ...rows))];
  if (fact.note) parts.push(element("p", "", fact.note));
  for (const title of fact.marks ?? []) parts.push(element("p", "happened", element("bdi", "", title)));
  if (fact.partial) parts.push(element("p", "", "not over yet"));
  return parts;
}

// Dragging over several bars shows just those days.
function brush(plot, bars, facts) {
  let from = null;
  let to = null;
  const at = (event) => {
    const bar = document.elementFromPoint(event.clientX, plot.getBoundingClientRect().top + 5)?.closest?.(".bucket");
    return bar && plot.contains(bar) ? Number(bar.dataset.at) : null;
  };
  const paint = () => {
    const [low, high] = from === null || to === null ? [1, 0] : [Math.min(from, to), Math.max(from, to)];
    bars.forEach((bar, index) => bar.classList.toggle("at", low !== high && index >= low && index <= high));
  };
  plot.addEventListener("dragstart", (event) => event.preventDefault());
  plot.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse") from = to = at(event);
  });
  addEventListener("pointermove", (event) => {
    if (from === null) return;
    to = at(event) ?? to;
    paint();
  });
  addEventListener("pointerup", () => {
    if (from === null) return;
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    from = null;
    if (low === high || !facts[low].first) return;
    plot.addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
    const target = new URL(location.href);
    target.searchParams.set("period", `${facts[low].first}..${facts[high].last}`);
    target.searchParams.delete("cursor");
    location.assign(target);
  });
}

function element(tag, classes, ...children) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  made.append(...children);
  return made;
}

// Keyboard: `/` search, `g` and a letter for a page, `j` `k` rows, Enter opens, `?` help. Never while somebody types.
const PAGES = { o: "/", e: "/explore", c: "/calls", b: "/budgets", f: "/forecast", a: "/alerts", n: "/anomalies", s: "/savings", m: "/prices", w: "/loops", l: "/controls", h: "/caches", i: "/whatif", t: "/initiatives", d: "/advice", u: "/maturity" };

export function startKeys() {
  let leading = -Infinity; // when `g` was pressed; a page that has just opened was led to by none
  const help = document.getElementById("help");
  document.querySelector("[data-help]")?.addEventListener("click", (event) => {
    event.preventDefault();
    help.showModal();
  });
  help.addEventListener("click", (event) => event.target === help && help.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const { key } = event;
    if (performance.now() - leading < 900 && PAGES[key]) {
      leading = -Infinity;
      document.querySelector(`.nav a[href^="${PAGES[key]}?"], .nav a[href="${PAGES[key]}"]`)?.click();
      return;
    }
    if (key === "g") leading = performance.now();
    else if (key === "/") focus(event, ".bar .search input[type=search]");
    else if (key === "p") openMenu(event, "period");
    else if (key === "f") openMenu(event, "filter");
    else if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "?") help.showModal();
  });
}

function focus(event, selector) {
  const input = document.querySelector(selector);
  if (!input) return;
  event.preventDefault();
  input.focus();
  input.select();
}

function openMenu(event, name) {
  const menu = document.querySelector(`details[data-menu="${name}"]`);
  if (!menu) return;
  event.preventDefault();
  menu.open = true;
  menu.querySelector(".pop a, .pop select, .pop input:not([type=hidden])")?.focus();
}

function move(step) {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.checkVisibility() && row.querySelector("a[href]"));
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  rows[at]?.classList.remove("at");
  next.classList.add("at");
  const link = next.querySelector("a[href]");
  link.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

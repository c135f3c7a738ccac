// Menus are <details>; this closes them on a click elsewhere, on Escape, and when another one opens.
// It also offers the values that exist while a filter is typed.
import { fillList } from "./offers.js";

export function startMenus() {
  const open = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  for (const form of document.querySelectorAll("form[data-suggest]")) suggest(form);
}

function suggest(form) {
  const field = form.elements.add_field;
  const tag = form.elements.add_tag;
  const list = form.querySelector("#values");
  const tagRow = tag.closest("label");
  let asked = "";
  const offer = async () => {
    const isTag = field.value === "tag";
    tagRow.hidden = !isTag;
    const by = isTag ? `tag:${tag.value.trim()}` : field.value;
    if (by === asked || by === "tag:") return;
    asked = by;
    await fillList(list, by, { period: form.elements.period?.value ?? "30d", tz: form.elements.tz?.value ?? "UTC" });
  };
  field.addEventListener("change", offer);
  tag.addEventListener("change", offer);
  form.closest("details").addEventListener("toggle", offer);
}

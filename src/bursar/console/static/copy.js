// A click copies an id or a command, and says so.
export function startCopy() {
  document.addEventListener("click", async (event) => {
    const source = event.target.closest("[data-copy]");
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.dataset.copy);
      say("Copied");
    } catch {
      say("The browser didn't allow copying");
    }
  });
}

let timer = 0;
function say(text) {
  const toast = document.querySelector(".toast");
  toast.textContent = text;
  toast.classList.add("on");
  clearTimeout(timer);
  timer = setTimeout(() => toast.classList.remove("on"), 1400);
}

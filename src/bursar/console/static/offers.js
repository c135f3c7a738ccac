// Offers the values that exist while one is typed: for the filter in the bar, and for the conditions of the long forms.
const ASKED_OF_BOOKS = { model: "model_asked", credential: "credential_id" };

export async function fillList(list, by, more = {}) {
  const isLever = by === "saved"; // no dimension: its values are the levers that made a difference
  const query = new URLSearchParams({ by: isLever ? "lever" : by, limit: "100", period: "30d", tz: "UTC", ...more });
  const reply = await fetch(`/api/${isLever ? "savings" : "costs"}?${query}`).catch(() => null);
  if (!reply?.ok) return;
  const { rows, levers } = await reply.json();
  const values = isLever
    ? levers.filter((one) => Number(one.saved_cost)).map((one) => one.lever)
    : rows.map((row) => row.keys[0]).filter(Boolean);
  list.replaceChildren(...values.map((value) => Object.assign(document.createElement("option"), { value })));
}

export function startOffers() {
  for (const input of document.querySelectorAll("input[data-offers]")) {
    const form = input.form;
    const choice = form.elements[input.dataset.offers];
    const tag = form.elements[input.dataset.offers.replace("where_", "where_tag_")];
    let asked = "";
    input.addEventListener("focus", async () => {
      const by = choice.value === "tag" ? `tag:${tag.value.trim()}` : (ASKED_OF_BOOKS[choice.value] ?? choice.value);
      if (!by || by === asked || by === "tag:") return;
      asked = by;
      await fillList(input.list, by);
    });
  }
}

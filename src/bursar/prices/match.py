"""Which provider and which catalogue entry a name means: exact names before patterns, guesses last and named."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from bursar.domain.arns import id_of_arn, is_arn
from bursar.prices.rows import Clause, PriceEntry, ProviderRow

PROVIDER_ALIASES = {
    "azure-openai": "azure",
    "azure_openai": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "xai": "x-ai",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
}
"""Names that other tools and configurations use, by the id of the catalogue. Lower case."""

AWS = "aws"

AGNOSTIC = frozenset({"", "litellm"})
"""Providers that say nothing of whose price list applies; the model's name has to."""

_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_DATE_SUFFIX = re.compile(r"-20\d{2}-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")


class Found(NamedTuple):
    """provider: the catalogue's id, or the name as given where the catalogue doesn't know it.

    model: the name without a provider prefix, lower case. entry: None if there is none.
    match: "exact", "pattern", "undated" or "" (none). assumption: empty, or why the entry is a guess.
    """

    provider: str
    model: str
    entry: PriceEntry | None
    match: str
    assumption: str


class Names:
    """Finds catalogue entries by what clients and operators call them. Misses cost some 50 µs: memoise outside."""

    def __init__(self, providers: list[ProviderRow]) -> None:
        self._providers = providers
        self._by_id = {row.id: row for row in providers}
        self._exact: dict[str, dict[str, PriceEntry]] = {}

    def provider(self, name: str) -> ProviderRow | None:
        """The provider of that name: its id, an alias, or by the catalogue's own rules (`openai-eu` is openai)."""
        name = name.lower().strip()
        row = self._by_id.get(PROVIDER_ALIASES.get(name, name))
        if row is not None or not name:
            return row
        return next((row for row in self._providers if row.match is not None and holds(row.match, name)), None)

    def find(self, provider: str, model: str) -> Found:
        """Find by provider and name. A `provider/model` name is read as such where the provider says nothing else."""
        model = model.lower().strip()
        if is_arn(model):
            model = id_of_arn(model) or model
        row = self.provider(provider)
        prefix, slash, rest = model.partition("/")
        if provider.lower().strip() in AGNOSTIC:
            row = self.provider_by_prefix(prefix) if slash else None
            if row is not None:
                model = rest
            else:
                row = self._maker(model)
        elif slash and row is not None and row is self.provider_by_prefix(prefix) and not self._search(row, model)[0]:
            model = rest
        if row is None:
            return Found(provider.lower().strip(), model, None, "", "")
        entry, match = self._search(row, model)
        if entry is None:
            undated = _DATE_SUFFIX.sub("", model)
            if undated != model and (entry := self._search(row, undated)[0]) is not None:
                guess = f"no price is listed for {model}; the price of {entry.model} stands in"
                return Found(row.id, model, entry, "undated", guess)
        return Found(row.id, model, entry, match, _unlisted_geography(model, entry) if row.id == AWS else "")

    def provider_by_prefix(self, prefix: str) -> ProviderRow | None:
        """A provider named exactly, by id or alias: the part before the slash is too free a text for patterns."""
        return self._by_id.get(PROVIDER_ALIASES.get(prefix, prefix))

    def _maker(self, model: str) -> ProviderRow | None:
        """Who makes a model, by its name alone: by the catalogue's rules for names, else whoever alone lists it.

        A provider that the catalogue has no such rule for only resells (azure, openrouter) and gives way to a maker.
        """
        makers = [row for row in self._providers if row.model_match is not None]
        for row in makers:
            if row.model_match is not None and holds(row.model_match, model):
                return row
        for candidates in (makers, self._providers):
            sellers = [row for row in candidates if model in self._exact_names(row)]
            if sellers:
                return sellers[0] if len(sellers) == 1 else None
        return None

    def _search(self, row: ProviderRow, model: str) -> tuple[PriceEntry | None, str]:
        entry, match = self._search_as_written(row, model)
        if entry is None:
            dashed = _COMPACT_DATE.sub(r"\1\2-\3-\4", model)
            if dashed != model:
                return self._search_as_written(row, dashed)
        return entry, match

    def _search_as_written(self, row: ProviderRow, model: str) -> tuple[PriceEntry | None, str]:
        for candidate in (row, *(self._by_id[name] for name in row.fallback if name in self._by_id)):
            entry = self._exact_names(candidate).get(model)
            if entry is not None:
                return entry, "exact"
            if is_arn(model):  # part of a text that its owner made up says nothing of a price
                continue
            for entry in candidate.models:
                if holds(entry.match, model):
                    return entry, "pattern"
        return None, ""

    def _exact_names(self, row: ProviderRow) -> dict[str, PriceEntry]:
        """Names that are spelled out. An entry's own id comes last: the catalogue doesn't always match by it."""
        names = self._exact.get(row.id)
        if names is None:
            names = {}
            for entry in row.models:
                for name in spelled_out(entry.match):
                    names.setdefault(name, entry)
            for entry in row.models:
                own = entry.model.lower()
                if own not in names and not any(holds(other.match, own) for other in row.models):
                    names[own] = entry
            self._exact[row.id] = names
        return names


def _unlisted_geography(model: str, entry: PriceEntry | None) -> str:
    """Why the price of a Bedrock profile such as `eu.amazon.nova-lite-v1:0` is a guess; "" if it is none.

    The catalogue's entries without a geography have the prices of the US. `regional.…` holds for each but GovCloud,
    and some entries name the geographies that they hold for.
    """
    if entry is None:
        return ""
    maker = entry.model.lower().removeprefix("regional.").removeprefix("global.").partition(".")[0] + "."
    geography = model[: max(0, model.find(maker))]
    holds_for_each = entry.model.startswith("regional.") and geography != "us-gov."
    if geography in ("", "us.", "global.") or holds_for_each:
        return ""
    if any(geography + maker in text for text in _texts_of(entry.match)):
        return ""
    return f"no price of its own is listed for {geography[:-1]}; the price of {entry.model} stands in"


def _texts_of(clause: Clause) -> Iterator[str]:
    yield clause.text
    for part in clause.parts:
        yield from _texts_of(part)


def spelled_out(clause: Clause) -> list[str]:
    """The names that a clause lists in full."""
    if clause.kind == "equals":
        return [clause.text]
    if clause.kind == "or":
        return [name for part in clause.parts for name in spelled_out(part)]
    return []


def holds(clause: Clause, name: str) -> bool:
    """Does a clause match a name? `name` is lower case."""
    match clause.kind:
        case "equals":
            return name == clause.text
        case "starts":
            return name.startswith(clause.text)
        case "ends":
            return name.endswith(clause.text)
        case "contains":
            return clause.text in name
        case "regex":
            return re.search(clause.text, name) is not None
        case "or":
            return any(holds(part, name) for part in clause.parts)
        case "and":
            return all(holds(part, name) for part in clause.parts)

"""The form of a cache rule."""

from collections.abc import Mapping
from math import isfinite

from bursar.console.forms.fields import Entry, Fields, fill_conditions, place_of_condition, read_conditions
from bursar.domain.cache_words import span_seconds, span_text
from bursar.domain.caching import CacheRule, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.errors import BursarError

KEPT = "kept"
SHARES = {
    "credential": "the same key alone",
    "project": "all keys of its project",
    "team": "all keys of its team",
    "organization": "all keys of its organization",
}
FIELDS = frozenset({
    "state", "position", "prompt", "prompt_agents", "exact", "exact_ttl", "exact_share", "exact_bytes", "exact_tools",
    "semantic", "semantic_ttl", "semantic_share", "embedder", "similarity_min", "sample_percent", "agreement_min",
    "false_hits_max",
})  # fmt: skip
_PLACES = {
    "prompt.ttl": "prompt", "prompt.agents": "prompt", "exact.ttl_s": "exact_ttl", "exact.share": "exact_share",
    "exact.entry_bytes_max": "exact_bytes", "semantic.mode": "semantic", "semantic.ttl_s": "semantic_ttl",
    "semantic.share": "semantic_share", "semantic.embedder": "embedder",
    "semantic.similarity_min": "similarity_min", "semantic.sample_percent": "sample_percent",
    "semantic.agreement_min": "agreement_min", "semantic.false_hits_max": "false_hits_max",
}  # fmt: skip


def read_cache(form: Fields) -> Entry:
    """What was typed, as an entry of `caches:` in a control file.

    Fields of a cache that isn't chosen are left unread.
    """
    entry: Entry = {"match": read_conditions(form)}
    if form.text("prompt"):
        entry["prompt"] = {"ttl": form.text("prompt"), "agents": "true" if form.ticked("prompt_agents") else "false"}
    if form.text("exact"):
        entry["exact"] = _said({
            "ttl_s": _seconds(form, "exact_ttl"), "share": form.text("exact_share"),
            "entry_bytes_max": form.figure("exact_bytes"),
        }) | {"with_tools": "true" if form.ticked("exact_tools") else "false"}  # fmt: skip
    if form.text("semantic"):
        entry["semantic"] = _said({
            "mode": form.text("semantic"), "ttl_s": _seconds(form, "semantic_ttl"),
            "share": form.text("semantic_share"), "embedder": form.text("embedder"),
            "similarity_min": _number(form, "similarity_min", "0.95"),
            "sample_percent": _number(form, "sample_percent", "10"),
            "agreement_min": _number(form, "agreement_min", "0.6"),
            "false_hits_max": _number(form, "false_hits_max", "0.03"),
        })  # fmt: skip
    position = form.text("position")
    if position and not (position.removeprefix("-").isascii() and position.removeprefix("-").isdigit()):
        form.wrong("position", f"{position[:40]!r} is no whole number: write 0, or -1 to be asked earlier")
    entry["position"] = position
    entry["enabled"] = "false" if form.text("state") == "off" else "true"
    return {name: value for name, value in entry.items() if value != ""}


def fill_cache(entry: Entry, key_names: Mapping[str, str]) -> dict[str, str]:
    """What the form shows of a rule's entry, as its section tells it; of a cache that it hasn't, the defaults."""
    prompt, exact, semantic = entry.get("prompt"), entry.get("exact"), entry.get("semantic")
    kept = ExactCaching(**(exact or {}))
    like = SemanticCaching(**(semantic or {}))
    typed = fill_conditions(entry.get("match", {}), key_names)
    typed |= {
        "state": "on" if entry.get("enabled", True) else "off",
        "position": str(entry.get("position", 0)),
        "prompt": "" if prompt is None else PromptCaching(**prompt).ttl,
        "exact": "" if exact is None else KEPT,
        "exact_ttl": span_text(kept.ttl_s),
        "exact_share": kept.share,
        "exact_bytes": str(kept.entry_bytes_max),
        "semantic": "" if semantic is None else like.mode,
        "semantic_ttl": span_text(like.ttl_s),
        "semantic_share": like.share,
        "embedder": like.embedder,
        "similarity_min": _plain(like.similarity_min),
        "sample_percent": _plain(like.sample_percent),
        "agreement_min": _plain(like.agreement_min),
        "false_hits_max": _plain(like.false_hits_max),
    }
    ticks = {"prompt_agents": prompt is not None and PromptCaching(**prompt).agents, "exact_tools": kept.with_tools}
    return typed | {name: "yes" for name, is_ticked in ticks.items() if is_ticked}


def notes_of(rule: CacheRule) -> list[str]:
    """What whoever changes it should know: a change isn't a resumption."""
    return [f"They are set no more: {rule.stopped}. The list of rules has a button to resume."] if rule.stopped else []


def place_of_error(form: Fields, error: BursarError) -> str:
    """The form's field that an error is about; "" for the form as a whole."""
    field = error.field or ""
    head, _, rest = field.partition(".")
    if head == "match":
        return place_of_condition(form, rest) if rest else "where_0"
    return _PLACES.get(field, head if head in FIELDS or head == "name" else "")


def _seconds(form: Fields, name: str) -> str:
    text = form.text(name)
    seconds = span_seconds(text)
    if text and seconds is None:
        form.wrong(name, f"{text[:40]!r} is no length of time: write 90s, 30m, 1h or 7d")
    return "" if seconds is None else str(seconds)


def _number(form: Fields, name: str, example: str) -> str:
    text = form.text(name)
    try:
        is_number = not text or isfinite(float(text))
    except ValueError:
        is_number = False
    if not is_number:
        form.wrong(name, f"{text[:40]!r} is no number: write {example}")
        return ""
    return text


def _plain(number: float) -> str:
    return str(number).removesuffix(".0")


def _said(fields: Entry) -> Entry:
    """Without what was left empty, which is at its default."""
    return {name: value for name, value in fields.items() if value != ""}

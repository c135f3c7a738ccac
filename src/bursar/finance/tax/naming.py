"""Figures asked for by other names: what `expected` or `wanted` calls them, answered under the name that was asked."""

import functools
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from bursar.finance.tax.vocabulary import CURRENCIES


@functools.cache
def other_names() -> dict[str, list[str]]:
    """Asked name to the names of figures that answer it, the first found being used. UNIT is any currency."""
    text = (resources.files("bursar.finance.tax") / "data" / "results.toml").read_text("utf-8")
    found: dict[str, list[str]] = {}
    for name, others in tomllib.loads(text)["also"].items():
        for other in others:
            found.setdefault(other, []).append(name)
            for sibling in others:
                if sibling != other:
                    found[other].append(sibling)
    return found


def answer_to(asked: str, results: Mapping[str, Any]) -> str | None:
    """The figure's own name for one that was asked for; None where there is none."""
    if asked in results:
        return asked
    stem, _, unit = asked.rpartition("_")
    named = f"{stem}_UNIT" if unit in CURRENCIES else ""
    candidates = [*other_names().get(asked, ()), *(one.replace("UNIT", unit) for one in other_names().get(named, ()))]
    return next((one for one in candidates if one in results), None)


def add_asked(asked: Iterable[str], results: dict[str, Any]) -> dict[str, str]:
    """Puts figures under the names they were asked by too; which those are."""
    told = {}
    for name in asked:
        own = answer_to(name, results)
        if own is not None and own != name:
            results[name] = results[own]
            told[name] = own
    return told

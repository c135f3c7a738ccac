"""What-if: a form for what would be otherwise, and what the period's real calls would have cost then."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address, share_of
from bursar.console.view import View
from bursar.console.whatif import REASONS, TIERS, Asked, ask_whatif
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.explore.filters import Filter

ROWS_SHOWN = 40
FIELDS = ("model", "of", "tier", "batch", "cached", "written", "output", "prices")


class ShownModel(msgspec.Struct, frozen=True):
    """Calls of one model, as they were charged and as they would be."""

    label: str
    href: str
    attempts: int
    attempts_moved: int
    was: Decimal
    would: Decimal
    saved: Decimal
    share: float
    is_guess: bool


class ShownStay(msgspec.Struct, frozen=True):
    """Calls that stay where they are, and why."""

    why: str
    attempts: int
    cost: Decimal


class WhatIfPage(msgspec.Struct, frozen=True):
    """All that the template reads. asked: None where the address can't be read, and `error` says why.

    finding: the answer in a sentence. sure: what it rests on, in words.
    """

    asked: Asked | None
    error: str
    error_field: str
    finding: str
    sure: list[str]
    models: list[ShownModel]
    more: int
    stays: list[ShownStay]
    given: dict[str, str]
    tiers: tuple[str, ...]
    choices: list[str]


def whatif_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything around and in the template. A field that can't be read is told at the form, not instead of it."""
    error: BadRequest | None = None
    asked: Asked | None = None
    try:
        asked = ask_whatif(context, view)
    except BadRequest as refused:
        error = refused
    given = {name: view.get(name) for name in FIELDS}
    page = WhatIfPage(
        asked=asked,
        error=str(error) if error else "",
        error_field=(error.field or "") if error else "",
        finding=_finding(asked, f) if asked else "",
        sure=_sure(asked, f) if asked else [],
        models=_models(asked, view) if asked else [],
        more=max(len(asked.by_model) - ROWS_SHOWN, 0) if asked else 0,
        stays=_stays(asked) if asked else [],
        given=given,
        tiers=TIERS,
        choices=sorted({f"{one.provider}/{one.model}" for one in asked.by_model}) if asked else [],
    )
    return {"data": page, "has_any": context.explorer.first_call_at() is not None, "gateway": gateway_address(context)}


def _finding(asked: Asked, f: Format) -> str:
    found = asked.found
    if not asked.is_said:
        return ""
    if found.saved == 0:
        return "It would have cost the same."
    word = "less" if found.saved > 0 else "more"
    share = f.percent(abs(found.saved), found.was)
    sums = f"{f.plain_money(found.would)} in the place of {f.plain_money(found.was)}"
    about = "About " if found.assumed_ratios else ""
    return f"{about}{f.plain_money(abs(found.saved))} {word} ({share}): {sums}."


def _sure(asked: Asked, f: Format) -> list[str]:
    """What the figure rests on, so that nobody takes it for more than it is."""
    found = asked.found
    told = [f"Prices of {display.day(asked.prices_at.date(), year=True)}; as many tokens out, unless said otherwise."]
    if found.assumed_ratios:
        told.append(
            f"Tokens of {len(found.assumed_ratios)} models couldn't be compared on this site's own calls: as many are "
            "assumed there, which may be some tenths off between providers."
        )
    if found.unpriced_count:
        told.append(f"{f.count(found.unpriced_count)} attempts are unpriced, and in neither sum.")
    if asked.change.model:
        told.append("It says what the answers would cost, not whether they would be as good: a shadow tells that.")
    return told


def _models(asked: Asked, view: View) -> list[ShownModel]:
    largest = max((one.was for one in asked.by_model), default=Decimal(0))
    guessed = {source for source, _ in asked.found.assumed_ratios}
    return [
        ShownModel(
            f"{one.provider}/{one.model}",
            view.url(
                "/calls",
                filters=(*view.filters, Filter("provider", (one.provider,)), Filter("model", (one.model,))),
                order="dearest",
            ),
            one.attempts,
            one.attempts_moved,
            one.was,
            one.would,
            one.saved,
            share_of(one.was, largest),
            f"{one.provider}/{one.model}" in guessed,
        )
        for one in asked.by_model[:ROWS_SHOWN]
    ]


def _stays(asked: Asked) -> list[ShownStay]:
    ordered = sorted(asked.found.stays.items(), key=lambda item: -item[1][0])
    return [ShownStay(REASONS[why], count, cost) for why, (count, cost) in ordered]

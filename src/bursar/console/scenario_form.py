"""The form that adds a step to a scenario: which fields each kind of step has, and what was typed as text."""

from collections.abc import Sequence
from typing import NamedTuple

from bursar.console.simulating import PLACES
from bursar.console.view import View
from bursar.finance.scenarios.written import quoted


class Field(NamedTuple):
    """name: as a step is written; "": its main figure. kind: text, choice, month, plan, segment or model."""

    name: str
    label: str
    placeholder: str = ""
    hint: str = ""
    kind: str = "text"
    is_needed: bool = False
    choices: Sequence[str] = ()


class StepForm(NamedTuple):
    kind: str
    title: str
    hint: str
    fields: tuple[Field, ...]


_FROM = Field("from", "From", "2027-01", "a month; empty: from the first one", "month")
_FROM_DAY = Field("from", "From", "2027-01-15", "a day or a month; empty: from the first month", "month")
_PLAN = Field("plan", "Of plan", "all", "", "plan")
_SEGMENT = Field("segment", "Of segment", "all", "", "segment")
_UNIT = Field("unit", "Counted in", "", "", "choice", choices=("calls", "tokens"))

FORMS = (
    StepForm("usage", "Usage", "Everybody meant uses so many times as much; or the heaviest alone take all of it.", (
        Field("", "Times as much", "2", is_needed=True),
        Field("heavy", "On the heaviest", "10%", "empty: on all alike"), _PLAN, _SEGMENT, _FROM,
    )),
    StepForm("price", "Price", "What each pays a month, or how it changes. Free users pay if their plan is named.", (
        Field("", "Price", "29, or +10%", is_needed=True), _PLAN, _SEGMENT, _FROM,
    )),
    StepForm("overage", "Included units", "What is beyond those included is billed, beside the price.", (
        Field("", "Price of one", "0.02", is_needed=True), Field("included", "Included a month", "1000"), _UNIT, _PLAN,
        _FROM,
    )),
    StepForm("freelimit", "Free limit", "Beyond it a free user pays, or stops.", (
        Field("", "Free a month", "500", is_needed=True), _UNIT,
        Field("convert", "Of those beyond, pay", "5%"), Field("price", "and pay", "10", is_needed=True), _PLAN, _FROM,
    )),
    StepForm("model", "Other model", "A part of one model's cost moves to another.", (
        Field("", "Model", "openai/gpt-4o", "", "model", is_needed=True),
        Field("to", "To", "openai/gpt-4o-mini", "", "model", is_needed=True),
        Field("price", "Its price, × the old", "0.06", is_needed=True), Field("share", "How much moves", "100%"),
        Field("tokens", "Tokens, × as many", "1"), _FROM,
    )),
    StepForm("pricelist", "Price list", "A provider, or one of its models, costs more or less from a day on.", (
        Field("", "By", "+10%", is_needed=True),
        Field("of", "Provider, or model", "openai", "", "model", is_needed=True), _FROM_DAY,
    )),
    StepForm("viral", "Viral moment", "Free users come, cost, leave, and in part begin to pay.", (
        Field("", "How many come", "5000", is_needed=True), Field("convert", "Pay later", "1%..3%", is_needed=True),
        Field("price", "and pay a month", "10", is_needed=True), Field("decay", "Leave each month", "20%"),
        Field("ramp", "Over months", "1"), Field("after", "Pay after months", "1"),
        Field("cost", "Each costs a month", "", "empty: as the free users there are"), _FROM_DAY,
    )),
    StepForm("churn", "Churn", "An assumption: how many percent leave for each percent that they pay more.", (
        Field("", "Elasticity", "0.5", is_needed=True),
    )),
)  # fmt: skip
MAIN = "value"
"""What the main figure is called in an address, since it has no name in a step."""


def form_of(kind: str) -> StepForm | None:
    """The form of one kind of step; None: none was asked for."""
    return next((one for one in FORMS if one.kind == kind), None)


def added(view: View) -> str | None:
    """Where a form that adds a step leads: the address with it, read or not. None: no such form was sent."""
    place, kind = view.get("to_place"), view.get("add")
    form = next((one for one in FORMS if one.kind == kind), None)
    if place not in PLACES or form is None:
        return None
    words = [kind]
    gone: dict[str, None] = {"to_place": None}
    for field in form.fields:
        name = f"f_{field.name or MAIN}"
        text = view.get(name).strip()
        gone[name] = None
        if text and not (field.name == "unit" and text == "calls"):
            words.append(quoted(text) if not field.name else f"{field.name}={quoted(text)}")
    before = view.get(place)
    return view.url(**{place: f"{before}; {' '.join(words)}" if before else " ".join(words), "show": place, **gone})

"""The parts of an anomaly's page: its causes as steps, values it falls on, calls to look at, what can be done."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.anomalies import AnomalyDetail, MovementTold, PerCallTold
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.anomalies import Names, length
from bursar.console.pages.costs import NONE, share_of
from bursar.console.signed_charts import waterfall
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.findings import Finding
from bursar.domain.money import usd_from_pico
from bursar.domain.watching import Clock, Detection, SeriesKey, Signal
from bursar.explore.calls import CallSummary
from bursar.watch.buckets import STEP_US
from bursar.watch.offers import Offer
from bursar.watch.telling import FACTORS

CALLS_MAX = 20
OFFERS = {"throttle": "Throttle", "cheaper": "A cheaper route", "approve": "Ask for approval"}


class CauseRow(msgspec.Struct, frozen=True):
    """From what was expected to what was paid. kind: "sum", "up" or "down"; x, width: of its bar, in per cent."""

    kind: str
    words: str
    amount: Decimal
    share: str
    x: float
    width: float
    hint: str = ""


class MovedRow(msgspec.Struct, frozen=True):
    """One value of a dimension; share: its bar, in per cent of the longest."""

    label: str
    href: str
    is_muted: bool
    share: float
    is_less: bool
    expected: Decimal
    actual: Decimal
    excess: Decimal


class ShownMovement(msgspec.Struct, frozen=True):
    """The values of one dimension; they add up to `total`. within: inside of what, as people call it."""

    dimension: str
    within: str
    depth: int
    rows: list[MovedRow]
    total: Decimal


class LikeRow(msgspec.Struct, frozen=True):
    """What calls were like, before and now; text."""

    words: str
    before: str
    now: str
    change: display.Change | None


class CallRow(msgspec.Struct, frozen=True):
    call: CallSummary
    href: str
    is_first_bad: bool


class ShownOffer(msgspec.Struct, frozen=True):
    """What may be done: lines of the control as it would be made; means: what that does to calls and people."""

    offer: Offer
    title: str
    lines: list[str]
    means: str
    is_kept: bool
    is_on: bool


def cause_rows(f: Format, finding: Finding) -> list[CauseRow]:
    """Expected, each factor as a step from there, and what was paid; the steps add up to the excess."""
    level = finding.expected_pico
    levels = [(0, level)]
    for part in finding.cause.parts:
        levels.append((level, level + part.pico))
        level += part.pico
    levels.append((0, finding.actual_pico))
    fall = waterfall([(usd_from_pico(start), usd_from_pico(end)) for start, end in levels])
    first, *spans, last = fall.spans
    rows = [CauseRow("sum", "Expected", usd_from_pico(finding.expected_pico), "", first.x, first.width,
                     "An estimate from the earlier times listed below")]  # fmt: skip
    rows += [
        CauseRow(
            "up" if part.pico >= 0 else "down", FACTORS[part.factor][part.pico < 0], usd_from_pico(part.pico),
            f.percent(part.pico, finding.excess_pico), span.x, span.width,
        )
        for part, span in zip(finding.cause.parts, spans, strict=True)
    ]  # fmt: skip
    paid = CauseRow("sum", "Paid", usd_from_pico(finding.actual_pico), "", last.x, last.width,
                    "List cost of its calls, a sum of the ledger")  # fmt: skip
    return [*rows, paid]


def shown_movement(f: Format, names: Names, one: MovementTold) -> ShownMovement:
    largest = max((abs(Decimal(each.excess)) for each in one.values), default=Decimal(0))
    rows = []
    for each in one.values:
        excess = Decimal(each.excess)
        label = "others" if each.is_rest else names(SeriesKey(one.dimension, each.value)) or NONE
        rows.append(
            MovedRow(
                label, each.address, each.is_rest or not each.value, share_of(abs(excess), largest), excess < 0,
                Decimal(each.expected), Decimal(each.actual), excess,
            )
        )  # fmt: skip
    within = ", ".join(names(each) or f"no {f.field(each.dimension).lower()}" for each in one.within)
    return ShownMovement(f.field(one.dimension), within, len(one.within), rows,
                         sum((row.excess for row in rows), Decimal(0)))  # fmt: skip


def only_value(one: ShownMovement) -> str:
    """One value has all of it: "all within search is of team web"."""
    dimension, label = one.dimension.lower(), one.rows[0].label
    of = f"no {dimension}" if label == NONE else f"{dimension} {label}"
    return f"all {f'within {one.within}' if one.within else 'of it'} is of {of}"


def alike(f: Format, before: PerCallTold | None, now: PerCallTold | None) -> list[LikeRow]:
    if now is None:
        return []

    def row(words: str, name: str, tell: Any) -> LikeRow:
        values = [None if one is None else getattr(one, name) for one in (before, now)]
        numbers = [None if value is None else Decimal(str(value)) for value in values]
        shown = ["–" if number is None else tell(number) for number in numbers]
        change = None if None in numbers else f.change(numbers[1], numbers[0])
        return LikeRow(words, shown[0], shown[1], change)

    def whole(number: Decimal) -> str:
        return f.count(round(number)) if number >= _FEW or number == round(number) else f"{number:.1f}"

    def models(one: PerCallTold | None) -> str:
        calls = sum(one.models.values()) if one else 0.0
        told = list(one.models.items())[:2] if one else []
        return ", ".join(f"{name or NONE} {share:.0%}" for name, calls_ in told for share in (calls_ / calls,)) or "–"

    return [
        row("Calls", "calls", whole),
        row("Tokens in, each", "input_tokens_per_call", whole),
        row("Tokens out, each", "output_tokens_per_call", whole),
        row("Input from the cache", "cache_read_share", lambda share: f.percent(share, Decimal(1))),
        row("Cost of one", "cost_per_call", f.plain_money),
        LikeRow("Models", models(before), models(now), None),
    ]


def calls_of(context: ConsoleContext, view: View, finding: Finding) -> dict[str, CallRow]:
    """The calls of the evidence, in one question; those that are gone from the books are left out."""
    evidence = finding.evidence
    ids = tuple(dict.fromkeys((*evidence.before, *evidence.after, *filter(None, (evidence.first_bad,)))))[:CALLS_MAX]
    return {
        one.call_id: CallRow(one, view.url(f"/calls/{one.call_id}"), one.call_id == evidence.first_bad)
        for one in context.explorer.calls_by_id(ids)
    }


def shown_offers(f: Format, told: AnomalyDetail, finding: Finding) -> list[ShownOffer]:
    done = {(deed.offer, deed.state) for deed in told.deeds}
    return [
        ShownOffer(
            one, OFFERS[one.name], terms_lines(one.terms), _means(f, one, finding), (one.name, "draft") in done,
            (one.name, "applied") in done,
        )
        for one in told.offers
    ]  # fmt: skip


def _means(f: Format, offer: Offer, finding: Finding) -> str:
    """What it would do to calls as they are now."""
    now = finding.cause.after
    minutes = max(finding.until_us - finding.began_us, 1) / 60_000_000
    calls = now.calls / minutes if now else 0.0
    if offer.kind == "limit":
        over = calls - float(offer.terms["requests_per_minute"])
        refused = f"{over:,.1f} of them" if over > 0 else "none, if they come evenly,"
        return f"About {calls:,.1f} calls a minute are made now: {refused} would be refused with 429."
    if offer.kind == "policy":
        asked = offer.terms["match"].get("model", "")
        share = dict(now.models).get(asked, 0.0) / now.calls if now and now.calls else 0.0
        return f"About {share:.0%} of its calls ask {asked}: they would be answered by another model, and say so."
    a_day = usd_from_pico(round(finding.actual_pico / (minutes / 1440)))
    return (
        f"It costs {f.plain_money(a_day)} a day at this pace: past the threshold its calls are refused until approved."
    )


def terms_lines(terms: Mapping[str, Any]) -> list[str]:
    """A control as a control file writes it, a line a field."""
    return [f"{name} = {_written(value)}" for name, value in terms.items()]


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(name)} = {_written(each)}" for name, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return msgspec.json.encode(value).decode()


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else msgspec.json.encode(name).decode()


def chance(f: Format, surprise: float) -> str:
    """How rare it is by chance: "1 in 40,000"."""
    if surprise > _SURPRISE_SAID:
        return "rarer than 1 in a billion"
    return f"1 in {f.count(max(int(round(10**surprise, 1 - int(surprise))), 1))}"


def seen_words(f: Format, one: Detection, value: float) -> str:
    """A signal's value in its own unit: "$4.75 a minute", "35 a minute", "12.4 %", "1,204 tokens"."""
    number = Decimal(str(value))
    if one.signal is Signal.NEW_SPENDER:
        return f.plain_money(number) if number else "nothing"
    if one.signal is Signal.COST:
        return f"{f.plain_money(number)} a{'n' if one.clock is Clock.HOUR else ''} {one.clock.value}"
    if one.signal in (Signal.CALLS, Signal.SILENCE):
        shown = f.count(round(number)) if number >= _FEW or number == round(number) else f"{number:.2g}"
        return f"{shown} a{'n' if one.clock is Clock.HOUR else ''} {one.clock.value}"
    if one.signal in (Signal.INPUT_PER_CALL, Signal.OUTPUT_PER_CALL):
        return f"{f.count(round(number))} tokens"
    if one.signal is Signal.COST_PER_TOKEN:
        return f"{f.plain_money(number * _MILLION)} a million tokens"
    return display.ratio(number)


def apart(f: Format, at_us: int, began_us: int, clock: Clock) -> str:
    """When something happened beside the first sign, which is known to the minute, hour or day it was in."""
    if began_us <= at_us < began_us + STEP_US[clock]:
        return f"in the {clock.value} of its first sign"
    start, end = sorted((datetime_from_us(at_us), datetime_from_us(began_us)))
    if start == end:
        return "as it began"
    return f"{length(f, start, end)} {'before' if at_us < began_us else 'after'} its first sign"


_FEW = Decimal(10)
_MILLION = 1_000_000
_SURPRISE_SAID = 9

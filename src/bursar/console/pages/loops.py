"""Loops and waste: what was cut and when it comes back, and what calls cost that brought nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.api.loops import CutAnswer, RetriesAnswer, loops_answer
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import NONE, gateway_address, share_of
from bursar.console.view import View
from bursar.console.waste import CAUSES, NOT_FIRST, SDK_RETRY, WHAT, Group, Part, filters_of, total_of, waste_of
from bursar.explore.filters import Filter

ROWS_SHOWN = 12
SIGNS = {
    "repeat": "One request, over and over",
    "failing": "One request that always fails",
    "truncated": "Cut off by max_tokens, asked again",
    "growing": "A conversation that always fails alike",
    "storm": "A storm of one error",
    "rate": "Suddenly out of all proportion",
}


class ShownCut(msgspec.Struct, frozen=True):
    """One cut: what was seen, whose it is, and where its calls are."""

    cut: CutAnswer
    title: str
    whose: str
    key: str
    href: str
    cost: Decimal | None
    time: str


class ShownPart(msgspec.Struct, frozen=True):
    """One row: a sum that opens to its calls."""

    label: str
    note: str
    href: str
    part: Part
    cost: Decimal | None
    share: float
    muted: bool = False
    causes: list[tuple[str, str, Part]] = []  # (what is said of it, address, sum), dearest first


class ShownRetried(msgspec.Struct, frozen=True):
    """What retries of one value have cost this hour. share: of the cap, spent or held."""

    label: str
    spent: Decimal
    held: Decimal
    refused: int
    share: float


class ShownRetries(msgspec.Struct, frozen=True):
    """Retries of the running hour beside their cap, the dearest first."""

    scope: str
    limit: Decimal
    since: str
    rows: list[ShownRetried]
    more: int


class LoopsPage(msgspec.Struct, frozen=True):
    """All that the template reads."""

    lead: str
    enabled: bool
    in_force: list[ShownCut]
    ended: list[ShownCut]
    total: Part
    spent: Part
    causes: list[ShownPart]
    features: list[ShownPart]
    keys: list[ShownPart]
    double: ShownPart
    retries: "ShownRetries"


def loops_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything around and in the template."""
    loops = loops_answer(context)
    waste = waste_of(context.explorer, view)
    key_name = context.key_namer()
    cuts = [_show_cut(view, f, cut, key_name(cut.credential_id)) for cut in loops.cuts]
    largest = max((part.effective_cost for part in waste.by_cause.values()), default=Decimal(0))
    spent = waste.spent.shown
    lead = f"{f.plain_money(waste.total.shown)} of {f.plain_money(spent)} brought nothing" if spent else ""
    return {
        "data": LoopsPage(
            lead=lead,
            enabled=loops.enabled,
            in_force=[one for one in cuts if one.cut.state == "cut"],
            ended=[one for one in cuts if one.cut.state != "cut"],
            total=waste.total,
            spent=waste.spent,
            causes=[
                _show(view, CAUSES[cause], WHAT[cause], filters_of(cause), part, largest)
                for cause, part in sorted(waste.by_cause.items(), key=lambda item: -item[1].effective_cost)
            ],
            features=_show_groups(view, "feature", waste.by_feature),
            keys=_show_groups(view, "credential_id", waste.by_key, key_name),
            double=_show(view, "", "", (NOT_FIRST, SDK_RETRY), waste.double, Decimal(0)),
            retries=_show_retries(loops.retries, f, key_name),
        ),
        "csrf": context.csrf,
        "has_any": bool(waste.spent.attempts or cuts) or context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
    }


def _show_retries(retries: RetriesAnswer, f: Format, key_name: Callable[[str], str]) -> ShownRetries:
    limit = Decimal(retries.limit)
    name = key_name if retries.scope == "key" else str
    rows = []
    for one in retries.values[:ROWS_SHOWN]:
        spent, held = Decimal(one.spent), Decimal(one.held)
        rows.append(ShownRetried(name(one.value) or NONE, spent, held, one.refused, share_of(spent + held, limit)))
    more = max(len(retries.values) - ROWS_SHOWN, 0)
    return ShownRetries(retries.scope, limit, f.moment(retries.hour), rows, more)


def _show_groups(view: View, dimension: str, groups: list[Group], name: Callable[[str], str] = str) -> list[ShownPart]:
    largest = groups[0].total.effective_cost if groups else Decimal(0)
    shown = []
    for group in groups[:ROWS_SHOWN]:
        own = (Filter(dimension, (group.value,)),)
        dearest = sorted(group.by_cause.items(), key=lambda item: (-item[1].effective_cost, -item[1].attempts))
        causes = [(CAUSES[cause], _calls(view, (*own, *filters_of(cause))), part) for cause, part in dearest]
        href = view.with_filter(dimension, group.value, "/loops")
        shown.append(
            ShownPart(name(group.value) or NONE, group.value, href, group.total, group.total.shown,
                      share_of(group.total.effective_cost, largest), not group.value, causes)
        )  # fmt: skip
    rest = groups[ROWS_SHOWN:]
    if rest:
        others = total_of(group.total for group in rest)
        shown.append(ShownPart(f"{len(rest)} others", "", view.url("/loops"), others, others.shown, 0.0))
    return shown


def _show(view: View, label: str, note: str, filters: tuple[Filter, ...], part: Part, largest: Decimal) -> ShownPart:
    return ShownPart(label, note, _calls(view, filters), part, part.shown, share_of(part.effective_cost, largest))


def _calls(view: View, filters: tuple[Filter, ...]) -> str:
    """The calls behind a sum: the page's filters and its own, in place of those on the same field."""
    fields = {one.field for one in filters}
    kept = tuple(one for one in view.filters if one.field not in fields)
    return view.url("/calls", filters=(*kept, *filters), order="dearest")


def _show_cut(view: View, f: Format, cut: CutAnswer, key: str) -> ShownCut:
    if cut.fingerprint:
        own: tuple[Filter, ...] = (Filter("fingerprint", (cut.fingerprint,)),)
    else:
        said = (("session", cut.session), ("agent", cut.agent), ("feature", cut.feature))
        of = next(((name, value) for name, value in said if value), None) if cut.scope != "key" else None
        own = (Filter("credential_id", (cut.credential_id,)), *((Filter(of[0], (of[1],)),) if of else ()))
    whose = " · ".join(part for part in (cut.feature, cut.agent, cut.session, cut.model) if part)
    time = {
        "cut": f"until {f.moment(cut.until)}",
        "expired": f"ended {f.when(cut.until)}",
        "lifted": f"lifted {f.when(cut.lifted_at)} by {cut.lifted_by}",
    }[cut.state]
    known = cut.unpriced < cut.calls or cut.cost != "0"
    return ShownCut(
        cut, SIGNS.get(cut.sign, cut.sign), whose, key, view.url("/calls", filters=own, order="newest"),
        Decimal(cut.cost) if known else None, time,
    )  # fmt: skip

"""What a route would do, as tables: one request's way, and the past through a changed table."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.cli.client import decode
from bursar.cli.render import (
    Column,
    Format,
    count_column,
    money_column,
    print_csv,
    print_json,
    print_table,
    say,
    text_column,
)
from bursar.domain import display
from bursar.domain.gates import judgement_words
from bursar.domain.money import plain, usd_from_pico
from bursar.gateway.rehearse import Option, Rehearsal


class SumTold(msgspec.Struct):
    calls: int
    cost_then: str
    cost_now: str
    unknown_calls: int


class RowTold(SumTold, kw_only=True):
    """Calls of `/api/route-replay` that go elsewhere."""

    route: str
    from_upstream: str
    from_model: str
    to_upstream: str
    to_model: str


class ReplayTold(msgspec.Struct):
    """`/api/route-replay`: what the table shows of it."""

    period: dict[str, str]
    currency: str
    total: SumTold
    moved: SumTold
    rows: list[RowTold]
    refused: dict[str, int]
    notes: list[str]


class FindingTold(msgspec.Struct):
    metric: str
    control_calls: int
    candidate_calls: int
    control: float
    candidate: float
    difference: float
    evidence: float
    verdict: str


class ExperimentTold(msgspec.Struct):
    """One of `/api/experiments`."""

    route: str
    experiment: str
    candidate: str
    percent: float
    alpha: float
    stopped: str
    control_calls: int
    candidate_calls: int
    findings: list[FindingTold]


def show_experiments(body: bytes, fmt: Format) -> None:
    """A table for each experiment; one list of findings for programs."""
    told = decode(body, list[ExperimentTold])
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(told))
    elif fmt is Format.CSV:
        heads = ("route", "experiment", *FindingTold.__struct_fields__)
        rows = [[one.route, one.experiment, *msgspec.structs.astuple(row)] for one in told for row in one.findings]
        print_csv(heads, rows)
    elif not told:
        say("no experiments; a route has one with `experiment` (docs/routing.md).")
    else:
        for one in told:
            _show_experiment(one)


def _show_experiment(told: ExperimentTold) -> None:
    print_table(
        [
            text_column("metric", "metric"),
            count_column("control_calls", "control"),
            count_column("candidate_calls", "candidate"),
            text_column("means", "means", grow=True),
            Column("verdict", "the candidate is", str),
        ],
        [
            {
                "metric": row.metric, "control_calls": row.control_calls, "candidate_calls": row.candidate_calls,
                "means": f"{row.control:.4g} → {row.candidate:.4g}", "verdict": row.verdict or "not told apart",
            }
            for row in told.findings
        ],
        title=f"Route {told.route}, experiment {told.experiment}: {told.percent:g} % to {told.candidate}",
    )  # fmt: skip
    if told.stopped:
        say(f"stopped: {told.stopped}.")
    else:
        say(f"it goes on; error rate {told.alpha:g} over all looks.")


class PairTold(msgspec.Struct):
    shown: str
    candidate: str
    shadows: int
    errors: int
    truncated: int
    shown_truncated: int
    priced: int
    shown_cost: str
    shadow_cost: str
    cost: str | None
    unpriced: int
    shown_ms: int | None
    shadow_ms: int | None
    compared: int
    agreement: float | None
    finish: float | None
    tool_names: float | None
    tool_calls: float | None
    json: float | None
    text: float | None
    words: float | None


class ShadowTold(msgspec.Struct):
    """One of `/api/shadows`."""

    route: str
    shadow: str
    candidate: str
    percent: float
    pairs: list[PairTold]
    dropped: dict[str, int]


def show_shadows(body: bytes, name: str, fmt: Format) -> None:
    """A table for each shadow; one list of pairs for programs. name: of the one route; "": of all."""
    told = [one for one in decode(body, list[ShadowTold]) if name in ("", one.route)]
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(told))
    elif fmt is Format.CSV:
        heads = ("route", "shadow", *PairTold.__struct_fields__)
        print_csv(heads, [[one.route, one.shadow, *msgspec.structs.astuple(row)] for one in told for row in one.pairs])
    elif not told:
        whose = f"route {name!r} has" if name else "there is"
        say(f"{whose} no shadow; `bursar routes set NAME --shadow UPSTREAM/MODEL=PERCENT` gives it one.")
    else:
        for one in told:
            _show_shadow(one)


def _show_shadow(told: ShadowTold) -> None:
    if told.pairs:
        print_table(
            [
                text_column("shown", "clients got", grow=True),
                text_column("candidate", "tried", grow=True),
                count_column("shadows", "shadows"),
                count_column("errors", "failed"),
                count_column("truncated", "cut off"),
                text_column("cost", "cost, against clients'"),
                text_column("ms", "median ms"),
                text_column("agreement", "agreement"),
                text_column("of", "of which"),
            ],
            [_pair_row(row) for row in told.pairs],
            title=f"Route {told.route}, shadow {told.shadow}: {told.percent:g} % to {told.candidate} as well",
        )
    else:
        say(f"route {told.route}, shadow {told.shadow}: {told.percent:g} % to {told.candidate}; none has ended yet.")
    if told.dropped:
        why = ", ".join(f"{count} {reason}" for reason, count in told.dropped.items())
        say(f"not sent since the workers started: {why}.")


def _pair_row(row: PairTold) -> dict[str, object]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    cost = f"${plain(Decimal(row.shadow_cost))} : ${plain(Decimal(row.shown_cost))}" if row.priced else "unpriced"
    parts = (("end alike", row.finish), ("tools", row.tool_calls), ("JSON", row.json), ("same text", row.text),
             ("words", row.words))  # fmt: skip
    return {
        "shown": row.shown, "candidate": row.candidate, "shadows": row.shadows, "errors": row.errors,
        "truncated": row.truncated, "cost": cost, "ms": f"{row.shadow_ms or '–'} : {row.shown_ms or '–'}",
        "agreement": f"{share(row.agreement)} of {row.compared}",
        "of": ", ".join(f"{label} {share(value)}" for label, value in parts if value is not None) or "–",
    }  # fmt: skip


def told_rehearsal(told: Rehearsal) -> dict[str, Any]:
    """For programs: bounds as decimal text, null where no price is known."""
    return {
        "route": told.route, "strategy": told.strategy, "model_asked": told.model_asked,
        "options": [_told_option(one) for one in told.options],
        "default": None if told.default is None else _told_option(told.default),
        "refusal": None if told.refusal is None else {"code": told.refusal[0], "message": told.refusal[1]},
        "quality_gate": None if told.gate is None else msgspec.to_builtins(told.gate),
    }  # fmt: skip


def show_rehearsal(told: Rehearsal) -> None:
    """The route, then where the call could go, in order, with the most it can cost there."""
    if told.refusal is not None:
        say(f"it would not be sent: {told.refusal[1]} [{told.refusal[0]}]")
        return
    rows = [
        {
            "place": "" if one.why else str(at),
            "where": f"{one.upstream}/{one.model}",
            "bound": "no price is known" if one.bound_pico is None else f"${plain(usd_from_pico(one.bound_pico))}",
            "why": one.why or ("first" if at == 1 else ""),
        }
        for at, one in enumerate(told.options, 1)
    ]
    title = f"Route {told.route}, {told.strategy}" if told.route else "No route is about it"
    print_table(
        [
            Column("place", "", str),
            text_column("where", "where", grow=True),
            text_column("bound", "costs at most"),
            Column("why", "why", str),
        ],
        rows, title=title,
    )  # fmt: skip
    if told.gate is not None:
        say(f"{judgement_words(told.gate)}.")
    default = told.default
    if told.route and default is not None:
        bound = default.bound_pico
        cost = "no price is known" if bound is None else f"at most ${plain(usd_from_pico(bound))}"
        say(f"without a route: {default.upstream}/{default.model}, {cost}.")


def show_replay(body: bytes) -> None:
    """How many go elsewhere, then from where to where, dearest first."""
    told = decode(body, ReplayTold)
    period, moved = told.period["name"], told.moved
    if not moved.calls:
        say(f"{display.count(told.total.calls)} calls of {period}: none of them would go elsewhere.")
    else:
        known = moved.calls - moved.unknown_calls
        print_table(
            [
                text_column("route", "route", grow=True),
                text_column("from", "went to", grow=True),
                text_column("to", "would go to", grow=True),
                count_column("calls", "calls"),
                money_column("cost_then", "cost then", told.currency),
                money_column("cost_now", "cost there", told.currency),
                count_column("unknown_calls", "not priced"),
            ],
            [_replay_row(row) for row in told.rows],
            title=f"{display.count(moved.calls)} of {display.count(told.total.calls)} calls of {period} go elsewhere",
            totals={
                "route": "total", "from": " ", "to": " ", "calls": moved.calls,
                "cost_then": Decimal(moved.cost_then), "cost_now": Decimal(moved.cost_now),
                "unknown_calls": moved.unknown_calls,
            },
        )  # fmt: skip
        if known:
            change = Decimal(moved.cost_now) - Decimal(moved.cost_then)
            more = "more" if change > 0 else "less"
            say(f"over the {display.count(known)} calls priced both times: ${plain(abs(change))} {more}.")
    for code, calls in told.refused.items():
        say(f"{display.count(calls)} calls would be refused: {code}")
    for note in told.notes:
        say(note)


def _replay_row(row: RowTold) -> dict[str, object]:
    all_unknown = row.calls == row.unknown_calls
    return {
        "route": row.route or "(no route)",
        "from": f"{row.from_upstream}/{row.from_model}",
        "to": f"{row.to_upstream}/{row.to_model}",
        "calls": row.calls,
        "cost_then": None if all_unknown else Decimal(row.cost_then),
        "cost_now": None if all_unknown else Decimal(row.cost_now),
        "unknown_calls": row.unknown_calls,
    }


def _told_option(one: Option) -> dict[str, Any]:
    bound = None if one.bound_pico is None else plain(usd_from_pico(one.bound_pico))
    return {"upstream": one.upstream, "provider": one.provider, "model": one.model, "why": one.why, "bound_usd": bound}

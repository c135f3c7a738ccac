"""The demo's proof: the ledger ties to the simulator's bill and to the history, and the incidents can be seen in it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from bursar.demo.history import HistoryTotals
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import usd_from_pico
from bursar.ledger.store import Ledger, Session
from bursar.simulate.billing import LogEntry
from bursar.simulate.generate import (
    DAY_US,
    GROWING_DAYS,
    GROWING_FEATURE,
    LOOP_CALLS,
    LOOP_DAYS_AGO,
    LOOP_FEATURE,
    loop_day,
)

GROWTH_DAYS_BEFORE = 3
GROWTH_SEEN = 1.8  # the last three days' output size over that before the growth began
DEAREST_MODEL = "claude-fable-5"
CLASSIFY_OUTPUT_MAX = 10
HARMLESS = frozenset({"", "truncate", "slow", "drip", "until_close"})  # faults after which usage was reported whole


class Proof(NamedTuple):
    """One thing that was to be shown."""

    name: str
    ok: bool
    expected: str
    actual: str
    detail: str = ""


def check(
    ledger: Ledger, history: HistoryTotals | None, log: Sequence[LogEntry], *, live_from_us: int = 0
) -> list[Proof]:
    """Compare an up-to-date ledger with what is known from outside it.

    history:      what was filled in; None: nothing was, and its proofs are left out.
    log:          the simulator's own log of the live part; its charges are found by the answers' ids.
    live_from_us: charges from here on that aren't the history's belong to the live part.
    """
    with ledger.reading() as session:
        proofs = _live(session, log, live_from_us)
        if history is not None:
            proofs += _history(session, history)
            proofs += _incidents(session, history)
    return proofs


def _live(session: Session, log: Sequence[LogEntry], live_from_us: int) -> list[Proof]:
    """Each request that the provider saw is one charge; what it billed and reported is what the ledger says."""
    rows = session.query(
        "SELECT upstream_id, model, billed_cost, quality FROM charges WHERE dispatched_at >= $p1 "
        "AND writer NOT LIKE 'demo-%' AND entry = 'usage'",
        {"p1": _naive(live_from_us)},
    ).rows
    seen = [entry for entry in log if entry.dialect != "anthropic-count-tokens"]
    told = [entry for entry in seen if entry.completed and entry.billed and entry.fault in HARMLESS]
    billed = Counter((entry.answer_id, entry.model_served, _known(entry.cost_pico)) for entry in told)
    reported = ("reported", "unpriced")
    posted = Counter((row[0], row[1], row[2]) for row in rows if row[3] in reported and row[2] != 0)
    missing, surplus = billed - posted, posted - billed
    return [
        Proof(
            "live: one charge for each request the provider saw", len(rows) == len(seen), str(len(seen)), str(len(rows))
        ),
        Proof("live: the provider's bill equals the ledger", _sum(billed) == _sum(posted), _sum(billed), _sum(posted)),
        Proof(
            "live: each answer was charged as it was billed",
            not missing and not surplus,
            "0 differ",
            f"{missing.total()} billed otherwise, {surplus.total()} charged otherwise",
            ", ".join(f"{answer_id or 'no id'} {model}" for answer_id, model, _ in list(missing + surplus)[:5]),
        ),
    ]


def _history(session: Session, history: HistoryTotals) -> list[Proof]:
    row = session.query(
        "SELECT count(*), count(DISTINCT call_id), sum(billed_cost), count(*) FILTER (WHERE quality = 'unpriced') "
        "FROM charges WHERE writer = $p1 AND entry = 'usage'",
        {"p1": history.writer},
    ).rows[0]
    total = usd_from_pico(history.list_pico)
    return [
        _equal("history: one charge per attempt", history.attempts, row[0]),
        _equal("history: calls", history.calls, row[1]),
        _equal("history: cost, to the last pico", total, row[2]),
        _equal("history: unpriced charges are counted, not zero", history.unpriced, row[3]),
    ]


def _incidents(session: Session, history: HistoryTotals) -> list[Proof]:
    """What a person would find on the pages; an incident that began before the history did can't be seen in it."""
    days = (history.to_us - history.from_us) // DAY_US
    proofs = [_dear(session, history)]
    if days > LOOP_DAYS_AGO + 2:  # a weekend may move it back by two days
        proofs.append(_loop(session, history))
    if days > GROWING_DAYS + GROWTH_DAYS_BEFORE:
        proofs.append(_growth(session, history))
    return proofs


def _loop(session: Session, history: HistoryTotals) -> Proof:
    """The request that came most often in one day."""
    day_us = loop_day(history.to_us) * DAY_US
    rows = session.query(
        "SELECT feature, count(*) AS calls, sum(billed_cost) FROM charges WHERE writer = $p1 "
        "AND dispatched_at >= $p2 AND dispatched_at < $p3 GROUP BY feature, request_fingerprint "
        "ORDER BY calls DESC LIMIT 1",
        {"p1": history.writer, "p2": _naive(day_us), "p3": _naive(day_us + DAY_US)},
    ).rows
    feature, calls, cost = rows[0] if rows else ("", 0, None)
    ok = feature == LOOP_FEATURE and calls == history.loop_calls == LOOP_CALLS
    ok = ok and cost == usd_from_pico(history.loop_pico)
    expected = f"{LOOP_FEATURE}, {LOOP_CALLS} calls, ${usd_from_pico(history.loop_pico)}"
    return Proof("incident: the retry loop", ok, expected, f"{feature}, {calls} calls, ${cost}")


def _growth(session: Session, history: HistoryTotals) -> Proof:
    """Mean output of the last three days against that of the days before it began to grow."""

    def mean(from_days: int, to_days: int) -> float:
        row = session.query(
            "SELECT avg(output_tokens) FROM charges WHERE writer = $p1 AND feature = $p2 AND outcome = 'ok' "
            "AND dispatched_at >= $p3 AND dispatched_at < $p4",
            {
                "p1": history.writer,
                "p2": GROWING_FEATURE,
                "p3": _naive(history.to_us - from_days * DAY_US),
                "p4": _naive(history.to_us - to_days * DAY_US),
            },
        ).only()
        return float(row or 0)

    before, now = mean(60, GROWING_DAYS + 1), mean(3, 0)
    ratio = now / before if before else 0.0
    expected = f"{GROWING_FEATURE}'s output at least x {GROWTH_SEEN}"
    return Proof("incident: growing output", ratio >= GROWTH_SEEN, expected, f"x {ratio:.2f}")


def _dear(session: Session, history: HistoryTotals) -> Proof:
    """The dearest model per token of output is used for answers of a few tokens."""
    rows = session.query(
        "SELECT feature, count(*), avg(output_tokens) FROM charges WHERE writer = $p1 AND model_asked = $p2 "
        "AND feature <> '' AND outcome = 'ok' GROUP BY feature",
        {"p1": history.writer, "p2": DEAREST_MODEL},
    ).rows
    ok = len(rows) == 1 and rows[0][0] == "classify-ticket" and rows[0][2] <= CLASSIFY_OUTPUT_MAX
    actual = ", ".join(f"{feature}: {calls} calls of {size:.1f} tokens" for feature, calls, size in rows)
    return Proof("incident: the trivial task on the dearest model", ok, f"classify-ticket on {DEAREST_MODEL}", actual)


def _equal(name: str, expected: Any, actual: Any) -> Proof:
    return Proof(name, expected == actual, str(expected), str(actual))


def _sum(costs: Counter[tuple[str, str, Decimal | None]]) -> str:
    """What is known of it; an unknown cost is in the counts of the other proof."""
    return str(sum((cost * count for (_, _, cost), count in costs.items() if cost is not None), Decimal(0)))


def _known(pico: int | None) -> Decimal | None:
    return None if pico is None else usd_from_pico(pico)


def _naive(at_us: int) -> datetime:
    return datetime_from_us(at_us).replace(tzinfo=None)

"""Calls of the past through a route table: how many would go elsewhere, and what they would have cost there.

The gateway's own code decides, call for call; each call's recorded usage is priced at the prices of its own time. What
can't be priced is counted, and left out of both sums.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.domain.charge import Quality
from bursar.domain.errors import BursarError
from bursar.domain.ids import ATTEMPT_NUMBER_MAX
from bursar.domain.money import pico_from_usd, plain, usd_from_pico
from bursar.domain.periods import Period
from bursar.domain.routes import RouteRule
from bursar.domain.snapshot import Snapshot, read_snapshot
from bursar.domain.tags import Attribution
from bursar.explore.replayed import PastCall, past_calls
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.envelope import Envelope
from bursar.gateway.identify import Credential
from bursar.gateway.rehearse import decide, dry_worker
from bursar.gateway.settings import WorkerSettings
from bursar.providers.base import Asked, Dialect
from bursar.providers.registry import DIALECTS
from bursar.site import Site

CALLS_MAX = 200_000
ROWS_MAX = 100
PATH = "/v1/replayed"  # of no consequence: nothing is sent
GOOGLE_FAMILIES = ("gemini", "vertex")


class ReplaySum(msgspec.Struct, frozen=True):
    """Calls, and what they cost: as they went (`cost_then`) and as they would go (`cost_now`), over those whose cost
    is known both times; `unknown_calls` are in neither sum."""

    calls: int
    cost_then: str
    cost_now: str
    unknown_calls: int


class ReplayRow(ReplaySum, frozen=True, kw_only=True):
    """Calls that would go elsewhere. route: "" where no route is about them any more."""

    route: str
    from_upstream: str
    from_model: str
    to_upstream: str
    to_model: str


class ReplayAnswer(msgspec.Struct, frozen=True):
    """What a route table makes of the calls of a period.

    total:  all calls that were replayed. moved: those that would go elsewhere; rows: of these, dearest first.
    refused: calls that would not be sent any more, by the error's code.
    left_out: calls of the period that weren't replayed: more than CALLS_MAX, or of a dialect no longer known.
    """

    period: PeriodAnswer
    currency: str
    total: ReplaySum
    moved: ReplaySum
    rows: list[ReplayRow]
    refused: dict[str, int]
    left_out: int
    notes: list[str]


class _Sum:
    def __init__(self) -> None:
        self.calls = self.then_pico = self.now_pico = self.unknown = 0

    def add(self, then_pico: int | None, now_pico: int | None) -> None:
        self.calls += 1
        if then_pico is None or now_pico is None:
            self.unknown += 1
        else:
            self.then_pico += then_pico
            self.now_pico += now_pico

    def told(self) -> ReplaySum:
        return ReplaySum(
            self.calls, plain(usd_from_pico(self.then_pico)), plain(usd_from_pico(self.now_pico)), self.unknown
        )


def replay(context: ConsoleContext, period: Period, routes: Sequence[RouteRule] | None) -> ReplayAnswer:
    """Decide about each call of a period once more. routes: in the place of the control store's; None: those in force.

    It changes nothing and sends nothing.
    """
    site = Site(context.config, context.clock)
    settings = msgspec.convert(site.told_to_workers(), WorkerSettings)
    snapshot = read_snapshot(site.paths.snapshot) if site.paths.snapshot.exists() else Snapshot(0)
    with context.ledger.reading() as session:
        calls, count = past_calls(session, period, CALLS_MAX)
    total, moved = _Sum(), _Sum()
    rows: defaultdict[tuple[str, str, str, str, str], _Sum] = defaultdict(_Sum)
    refused: defaultdict[str, int] = defaultdict(int)
    unread = 0
    with dry_worker(settings, snapshot, context.clock, routes, context.prices()) as worker:
        again, rules = _Again(worker), worker.route_table.rules
        for call in calls:
            dialect = DIALECTS.get(call.dialect)
            if dialect is None:
                unread += 1
                continue
            then_pico = None if call.list_cost is None else pico_from_usd(call.list_cost)
            place = again.place(call, dialect)
            if place.refused:
                refused[place.refused] += 1
                continue
            if (place.upstream, place.model) == (call.upstream, call.model_sent):
                total.add(then_pico, then_pico)
                continue
            now_pico = again.price(call, place)
            for one in (
                total, moved, rows[place.route, call.upstream, call.model_sent, place.upstream, place.model]
            ):  # fmt: skip
                one.add(then_pico, now_pico)
    ordered = sorted(rows.items(), key=lambda row: (-row[1].then_pico, -row[1].calls, row[0]))
    left_out = count - len(calls) + unread
    return ReplayAnswer(
        period=period_answer(period), currency=context.config.console.currency, total=total.told(),
        moved=moved.told(), rows=[_row(key, one) for key, one in ordered[:ROWS_MAX]], refused=dict(refused),
        left_out=left_out, notes=list(_notes(rules, left_out, len(ordered))),
    )  # fmt: skip


def replay_csv(answer: ReplayAnswer) -> bytes:
    """A row for each way that calls would go instead."""
    heads = [*ReplayRow.__struct_fields__, "currency"]
    return csv_bytes(heads, [[*msgspec.structs.astuple(row), answer.currency] for row in answer.rows])


class _Place(NamedTuple):
    """Where a call would go; or the code of what refuses it."""

    route: str = ""
    upstream: str = ""
    provider: str = ""
    model: str = ""
    refused: str = ""


class _Again:
    """Asks the dry worker about one past call after the other."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._envelopes: dict[tuple[str, ...], Envelope] = {}

    def place(self, call: PastCall, dialect: Dialect) -> _Place:
        """The text wasn't kept: its place is taken by as many bytes, which begin otherwise for each call."""
        envelope = self._envelope(call)
        asked = Asked(
            call.model_asked,
            max_output_tokens=call.usage.total_output,
            tier=call.tier,
            model_in_path=dialect.family in GOOGLE_FAMILIES,
        )
        body = call.call_id.encode() + bytes(max(0, call.request_bytes - len(call.call_id)))
        arrival = Arrival(call.call_id, call.received_us, dialect, PATH, "", body, envelope, asked)
        try:
            decided = decide(self._worker, arrival, envelope, asked, Attributed(call.attribution))
        except BursarError as error:
            return _Place(refused=error.code)
        there, routing = decided.plan.route, decided.routing
        return _Place(routing.rule.name if routing else "", there.name, there.provider, decided.model)

    def price(self, call: PastCall, place: _Place) -> int | None:
        """The call's own usage at another place, at the prices of its time. None: not known."""
        if not call.is_known:
            return None
        if not any(msgspec.structs.astuple(call.usage)):
            return 0 if call.list_cost == 0 else None  # it failed and wasn't billed; nor would it have been there
        return self._worker.meter.price(
            call.usage, Quality.ESTIMATED, place.provider, place.model, place.model, call.tier, "", call.received_us
        ).list_pico

    def _envelope(self, call: PastCall) -> Envelope:
        """One for each credential: what was chosen for it is remembered there."""
        scope = call.scope
        key = (call.credential_id, scope.organization, scope.team, scope.project)
        found = self._envelopes.get(key)
        if found is None:
            is_own = call.credential_kind == "passthrough"
            credential = Credential(
                call.credential_id, "passthrough" if is_own else "virtual", scope, Attribution(),
                b"authorization" if is_own else b"", b"own" if is_own else b"",
            )  # fmt: skip
            nothing = Attributed(Attribution())
            found = Envelope(Snapshot(0), [], credential, nothing, "", 0, b"", ATTEMPT_NUMBER_MAX)
            self._envelopes[key] = found
        return found


def _row(key: tuple[str, str, str, str, str], one: _Sum) -> ReplayRow:
    told = one.told()
    route, from_upstream, from_model, to_upstream, to_model = key
    return ReplayRow(
        calls=told.calls, cost_then=told.cost_then, cost_now=told.cost_now, unknown_calls=told.unknown_calls,
        route=route, from_upstream=from_upstream, from_model=from_model, to_upstream=to_upstream, to_model=to_model,
    )  # fmt: skip


def _notes(rules: Sequence[RouteRule], left_out: int, rows: int) -> Iterable[str]:
    yield "the same usage is assumed wherever a call goes; another model may write more or less"
    strategies = {rule.strategy for rule in rules}
    if "lowest-latency" in strategies:
        yield "lowest-latency: how fast upstreams were isn't known, so the first is drawn by lot"
    if any(rule.quality_gate is not None for rule in rules):
        yield "quality gates: texts aren't kept, so they judge nothing and such calls go to the dear model"
    if "sticky" in strategies:
        yield "sticky: texts aren't kept, so calls without a session are drawn one by one"
    yield "upstreams count as healthy, and a call takes the first way; policies are those of now"
    if left_out:
        yield f"{left_out} calls were left out: the newest {CALLS_MAX} are replayed"
    if rows > ROWS_MAX:
        yield f"the {ROWS_MAX} dearest of {rows} changes of way are listed; the sums have all"

"""A call that isn't made: which route is about it, who could take it, why, and what it can cost at each.

The gateway's own code decides, on a worker that has no journal and sends nothing. What only a running worker knows is
missing: how its upstreams are doing, and what budgets have left.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.errors import BursarError, UnknownRoute
from bursar.domain.gates import Judgement
from bursar.domain.ids import ATTEMPT_NUMBER_MAX, Ids
from bursar.domain.routes import RouteRule, with_stops
from bursar.domain.scope import Scope
from bursar.domain.snapshot import KeyFacts, Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.attribute import Attributed, attribute
from bursar.gateway.bound import bound_at, input_bound
from bursar.gateway.cache_rules import CacheTable
from bursar.gateway.call import Arrival, Routing, Worker
from bursar.gateway.choose import choose_upstream
from bursar.gateway.edge import find_target
from bursar.gateway.envelope import SAYS_NOTHING, Envelope, Plan, mode_of
from bursar.gateway.heads import Headers
from bursar.gateway.identify import Credential
from bursar.gateway.learned import LearnedFile
from bursar.gateway.pipeline import attribute_call, judge, read_name, route
from bursar.gateway.route_table import compile_table
from bursar.gateway.settings import WorkerSettings
from bursar.gateway.worker import build_worker
from bursar.prices.book import PriceBook
from bursar.providers.base import Asked, read_asked

SEGMENT_BYTES = 64 * 1024


class Option(msgspec.Struct, frozen=True):
    """Where a call could go. why: "" if it may be tried, else what puts it last or keeps it out.

    bound_pico: the most it can cost there; None: no price is known.
    """

    upstream: str
    provider: str
    model: str
    why: str
    bound_pico: int | None


class Rehearsal(msgspec.Struct, frozen=True):
    """What would become of a call.

    route:   "": no route is about it. options: as they would be tried, then those that were left out.
    default: where it goes without a route; None: nowhere. refusal: (code, what is said) if it wouldn't be sent.
    gate:    what the route's quality gate says; None: it has none.
    """

    route: str
    strategy: str
    model_asked: str
    options: list[Option]
    default: Option | None
    refusal: tuple[str, str] | None = None
    gate: Judgement | None = None


@contextmanager
def dry_worker(
    settings: WorkerSettings,
    snapshot: Snapshot,
    clock: Clock,
    routes: Sequence[RouteRule] | None = None,
    book: PriceBook | None = None,
) -> Iterator[Worker]:
    """A worker that decides like those of the site and keeps nothing.

    routes: in the place of those of the control store. Upstreams count as having their keys: those are known where
    `bursar up` runs, and not here.
    """
    with tempfile.TemporaryDirectory(prefix="bursar-dry-") as directory:
        (Path(directory) / "run").mkdir()
        upstreams = [msgspec.structs.replace(one, api_key_env="") for one in settings.upstreams]
        dry = msgspec.structs.replace(
            settings, upstreams=upstreams, data=directory, spool=directory, journal_segment_bytes=SEGMENT_BYTES
        )
        worker = build_worker(dry, 0, Ids(), clock, book)
        try:
            LearnedFile(worker.meter.ceilings, Path(settings.data) / "run", 0).begin()
            worker.envelopes.use(snapshot)
            worker.decider.use(msgspec.structs.replace(snapshot, limits=[]))  # a trial takes no place in a limit
            worker.cache_table = CacheTable(snapshot.cache_rules)
            kept = snapshot.routes if routes is None else routes
            filed = with_stops(settings.routes, snapshot.stopped)
            worker.route_table = compile_table(kept, filed, settings.ladders, worker.routes.by_name)
            worker.gates.use(worker.route_table.rules)
            yield worker
        finally:
            worker.recorder.journal.close()


def envelope_of(worker: Worker, headers: Headers, key: KeyFacts | None, *, own_key: bool = False) -> Envelope:
    """What a worker makes of a client's headers. own_key: the caller brings its provider's key, and none of ours."""
    if key is not None:
        credential = Credential(key.credential_id, "virtual", key.scope, key.defaults, b"", b"")
    else:
        kind: Literal["virtual", "passthrough"] = "passthrough" if own_key else "virtual"
        header, secret = (b"authorization", b"own") if own_key else (b"", b"")
        credential = Credential("", kind, Scope(worker.settings.organization), Attribution(), header, secret)
    attributed = attribute(headers, SAYS_NOTHING, credential.defaults)
    mode = mode_of(headers)
    return Envelope(Snapshot(0), headers, credential, attributed, "", 0, b"", ATTEMPT_NUMBER_MAX, mode)


def rehearse(worker: Worker, path: str, body: bytes, envelope: Envelope) -> Rehearsal:
    """Decide about one request as it stands. Raises UnknownRoute or what a request that can't be read raises."""
    target = find_target(worker.routes.by_name, "POST", path)
    if target is None:
        raise UnknownRoute(f"POST {path} is no path of a call", field="path")
    dialect, path, upstream_name = target
    now_us = worker.clock.now_us()
    arrival = Arrival(worker.ids.new(now_us), now_us, dialect, path, upstream_name, body, envelope)
    arrival.asked = asked = read_asked(dialect, body, envelope.headers)
    try:
        decided = decide(worker, arrival, envelope, asked, attribute_call(envelope, asked))
    except BursarError as error:
        return Rehearsal("", "", asked.model, [], None, (error.code, error.message))
    routing = decided.routing
    if routing is None:
        there = _option(worker, arrival, decided, decided.plan.route.name, decided.model)
        return Rehearsal("", "", asked.model, [there], there)
    found = [_option(worker, arrival, decided, way.plan.route.name, way.model, way.why) for way in routing.ways]
    found += [_option(worker, arrival, decided, *passed) for passed in routing.passed]
    default = routing.default
    return Rehearsal(
        routing.rule.name,
        routing.rule.strategy,
        asked.model,
        found,
        None if default is None else _option(worker, arrival, decided, default.name, routing.default_model),
        gate=routing.gate,
    )


class Decided(NamedTuple):
    """Where a call goes first, and as which model. routing: None where no route is about it."""

    plan: Plan
    model: str
    routing: Routing | None
    asked: Asked


def decide(worker: Worker, arrival: Arrival, envelope: Envelope, asked: Asked, attributed: Attributed) -> Decided:
    """The steps of the pipeline that decide where a call goes. Raises what refuses it."""
    upstream_name, asked = read_name(worker, arrival, asked)
    case = judge(worker, arrival, envelope, asked, attributed)
    routing = None if upstream_name else route(worker, arrival, envelope, asked, attributed, case)
    if routing is not None:
        first = routing.ways[0]
        return Decided(first.plan, first.model, routing, asked)
    model = case.model if case else asked.model
    return Decided(choose_upstream(worker, arrival, envelope, model, upstream_name), model, None, asked)


def _option(worker: Worker, arrival: Arrival, decided: Decided, upstream: str, model: str, why: str = "") -> Option:
    asked = decided.asked
    found = worker.routes.by_name.get(upstream)
    if found is None:  # left out before an upstream was chosen
        return Option(upstream, "", model, why, None)
    there = msgspec.structs.replace(asked, model=model)
    tokens = (asked.max_output_tokens or worker.settings.output_tokens_default) * (asked.choices or 1)
    tokens_in = input_bound(worker, found.name, there, len(arrival.body))
    bound = bound_at(worker, found, there, tokens_in, tokens, arrival.received_us)
    return Option(upstream, found.provider, model, why, bound.pico)

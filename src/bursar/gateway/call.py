"""One call on its way through the gateway, and the worker that carries it.

Structs of msgspec, like the records: made in C, they cost a fifth of a dataclass.
"""

import msgspec

from bursar.budgets.holds import Holding
from bursar.cache.answers import Answers
from bursar.cache.wishes import NO_WISHES, Wishes
from bursar.domain.clock import Clock
from bursar.domain.gates import Judgement
from bursar.domain.ids import Ids
from bursar.domain.routes import RouteRule
from bursar.gateway.attribute import Attributed
from bursar.gateway.background import Background
from bursar.gateway.budgeting import Budgeting
from bursar.gateway.cache_rules import CacheTable
from bursar.gateway.case import Case
from bursar.gateway.decide import Decider
from bursar.gateway.embedding import EmbeddingTranslation
from bursar.gateway.envelope import Envelope, Envelopes, Plan
from bursar.gateway.firsts import First, Firsts
from bursar.gateway.gates import Gates
from bursar.gateway.heads import Head, Headers
from bursar.gateway.heard import Heard
from bursar.gateway.hour_news import HourNews
from bursar.gateway.jobs import Jobs
from bursar.gateway.keeping import Keeping
from bursar.gateway.likeness import Likeness
from bursar.gateway.loops import LoopBreaker, Marks
from bursar.gateway.meter import Meter
from bursar.gateway.metrics import Metrics
from bursar.gateway.model_lists import ModelLists
from bursar.gateway.names import Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.pace import Paces
from bursar.gateway.prompt_cache.caching import PromptCaches, Ticket
from bursar.gateway.rates import Taken
from bursar.gateway.recent import Recent
from bursar.gateway.recorder import Recorder
from bursar.gateway.retry_cap import RetryCap, RetryHold
from bursar.gateway.route import Route, Routes
from bursar.gateway.route_table import RouteTable
from bursar.gateway.settings import WorkerSettings
from bursar.gateway.translation import Spoken, Translation
from bursar.gateway.vectors import Vectors
from bursar.providers.base import Asked, Dialect
from bursar.spool.records import CallFacts


class Worker(msgspec.Struct):
    """What a gateway worker holds for all its calls."""

    settings: WorkerSettings
    secret: bytes
    clock: Clock
    ids: Ids
    recorder: Recorder
    meter: Meter
    routes: Routes
    names: Names
    envelopes: Envelopes
    recent: Recent
    metrics: Metrics
    outbox: Outbox
    budgeting: Budgeting
    loops: LoopBreaker
    retry_pico_max: int
    retry_cap: RetryCap
    firsts: Firsts
    approvals: HourNews  # calls that wait for one
    jobs: Jobs  # work that providers finish later
    gates: Gates = msgspec.field(default_factory=Gates)
    route_table: RouteTable = msgspec.field(default_factory=RouteTable)
    decider: Decider = msgspec.field(default_factory=Decider)
    cache_table: CacheTable = msgspec.field(default_factory=CacheTable)
    paces: Paces = msgspec.field(default_factory=Paces)
    shadows: Background = msgspec.field(default_factory=Background)
    lists: ModelLists = msgspec.field(default_factory=ModelLists)
    answers: Answers | None = None  # None: nothing is kept here
    likeness: Likeness = msgspec.field(default_factory=Likeness)  # what compares questions by meaning
    vectors: Vectors = msgspec.field(default_factory=Vectors)  # of questions that upstreams embed
    resemblances: Background = msgspec.field(default_factory=Background)  # would-be hits that are compared
    prompt_caches: PromptCaches = msgspec.field(default_factory=lambda: PromptCaches(b""))
    in_flight: int = 0
    is_draining: bool = False  # it is stopping: sessions that would last are ended


class Attempt(msgspec.Struct):
    """One try at one upstream. `is_open` until its end is in the journal: exactly once, whatever happens."""

    attempt_id: str
    number: int
    dispatched_us: int
    bound_pico: int | None
    sku_price_id: str
    is_open: bool = True
    first_byte_us: int = 0
    retried: RetryHold | None = None  # against the hour's cap on retries
    dispatched: bytes = b""  # its beginning as it stands in the journal
    ticket: Ticket | None = None  # of the marks for the provider's prompt cache that it was sent with
    marked_by: str = ""  # the rule by which something was added for that cache
    mark: str = ""  # and the field that was


class Bound(msgspec.Struct, frozen=True, gc=False):
    """What a call can cost at most, and likely will, in pico-USD; None: no price is known."""

    pico: int | None
    likely_pico: int | None
    sku_price_id: str


class Told(msgspec.Struct, frozen=True):
    """What another way would be told, by translation or in the caller's dialect, and what that was made of.

    limit: what our own rules made of the output limit; None: nothing. found: None where it can't be said there.
    """

    asked: Asked
    body: bytes
    limit: int | None
    found: Spoken | tuple[Asked, bytes] | None


class Way(msgspec.Struct):
    """An upstream that may take a call, and the model it would be asked for.

    why: it was put behind the others: "open", "probing", "cooling". is_tried: an attempt went there.
    case: the call as policies see it there; None where there are none. leads: an experiment puts it in front.
    is_cheap: the first target of a route with a quality gate. told: found once, and kept until the call goes there.
    """

    plan: Plan
    model: str
    weight: int = 1
    why: str = ""
    is_tried: bool = False
    case: Case | None = None
    leads: bool = False
    is_cheap: bool = False
    told: Told | None = None


class Routing(msgspec.Struct):
    """What a route makes of a call.

    ways:    to be tried in this order.
    passed:  (upstream, model, why) of targets that may not take it.
    default: where it would have gone without a route; None: nowhere.
    arm:     of the route's experiment: "candidate" or "control"; "": none is on.
    gate:    what its quality gate said; None: it has none.
    """

    rule: RouteRule
    ways: list[Way]
    passed: list[tuple[str, str, str]]
    default: Route | None
    default_model: str
    arm: str = ""
    gate: Judgement | None = None


class Arrival(msgspec.Struct):
    """A request that has come in; what is not known yet when it is refused stays None."""

    call_id: str
    received_us: int
    dialect: Dialect
    path: str  # the provider's path, without our prefixes
    upstream_name: str  # named by the client in its path, or ""
    body: bytes = b""
    envelope: Envelope | None = None
    asked: Asked | None = None


class Sample(msgspec.Struct):
    """A call that a shadow will follow: what that is made of. model: the one it asks for."""

    arrival: Arrival
    envelope: Envelope
    attributed: Attributed
    case: Case | None
    routing: Routing
    head: Head
    model: str
    heard: Heard = msgspec.field(default_factory=Heard)


class Call(msgspec.Struct):
    """A call that is identified, attributed and routed: ready to be sent."""

    facts: CallFacts
    dialect: Dialect
    asked: Asked
    route: Route
    head: bytes
    body: bytes  # as it goes out: the client's bytes, but for the named changes
    strips_usage: bool  # the stream's usage was asked for by us, so the client doesn't see it
    dropped_note: str  # what of its tags was dropped, for the answer's header
    deadline_us: int
    attempts_max: int
    bound: Bound = Bound(None, None, "")
    holding: Holding | None = None  # against its budgets
    cost_pico: int = 0  # of its attempts so far; of one that can't be priced, its bound
    notes: Headers = []  # more of our headers on the answer
    marks: Marks | None = None  # where the loop breaker counts it; None: nowhere
    attempts: list[Attempt] = []
    routing: Routing | None = None  # None: no route is about it
    taken: Taken | None = None  # its place in the limits
    retried: RetryHold | None = None  # of a retry that is about to begin
    first: First | None = None  # its place among the first calls of its model
    translation: Translation | EmbeddingTranslation | None = None  # its provider speaks another dialect than its caller
    receipt: str = ""  # why it goes there, where no route says it: of a shadow
    heard: Heard | None = None  # what keeps its answer, to be compared
    sample: Sample | None = None  # a shadow will follow it
    keeping: Keeping | None = None  # its answer may be kept
    cache_case: Case | None = None  # as cache rules see it; None: there are none
    own_key: str = ""  # the id of the caller's own provider key, whose limits aren't the operator's; "": that is shown
    cache_owner: str = ""  # whose account at the provider has its prompt cache: that of the caller's own key, or ""
    wishes: Wishes = NO_WISHES  # what its caller says of caches

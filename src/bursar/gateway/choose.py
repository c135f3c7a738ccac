"""The choice of the upstream, decided once for calls alike."""

from urllib.parse import unquote

from bursar.domain.charge import Operation
from bursar.domain.errors import Forbidden, NoUpstream, NoUpstreamKey
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.envelope import PLANS_MAX, Elsewhere, Envelope, Plan
from bursar.gateway.forward import DIALECT_HEADERS, DIALECT_PREFIXES, write_head
from bursar.gateway.route import Route
from bursar.gateway.sigv4 import secret_variable
from bursar.gateway.translation import wants_all
from bursar.providers.base import Asked, Dialect
from bursar.providers.registry import dialect_for, with_model
from bursar.providers.services import SIGV4
from bursar.translate.codec import Codec
from bursar.translate.conversation import Conversation
from bursar.translate.embeddings import Embedder
from bursar.translate.registry import TRANSLATED

METHODS: dict[str, str] = {Operation.CACHE_CHANGE: "PATCH", Operation.CACHE_DELETE: "DELETE"}
"""Of what isn't asked by a POST."""


def choose_upstream(worker: Worker, arrival: Arrival, envelope: Envelope, model: str, upstream_name: str = "") -> Plan:
    """Which upstream, decided once for calls alike. upstream_name: the one that it must be, where the path names none.

    Raises NoUpstream, NoUpstreamKey, or Forbidden (foreign key).
    """
    upstream_name = arrival.upstream_name or upstream_name
    key = (arrival.path, envelope.query, upstream_name, model)
    plan = envelope.plans.get(key)
    if plan is not None:
        return plan
    credential, family, dialect = envelope.credential, arrival.dialect.family, arrival.dialect.name
    elsewhere = may_go_elsewhere(arrival)
    if upstream_name:
        route = worker.routes.named(upstream_name, family, dialect, elsewhere=elsewhere)
    else:
        route = worker.routes.choose(family, model, dialect, elsewhere=elsewhere)
    if credential.kind == "passthrough" and not route.settings.passthrough:
        raise Forbidden(
            f"upstream {route.name!r} takes Bursar keys only (`bursar keys create NAME`)", field="authorization"
        )
    needs_key = not credential.client_secret and bool(route.settings.api_key_env)
    if needs_key and not route.api_key:
        raise NoUpstreamKey(
            f"a Bursar key was used and upstream {route.name!r} has no key of its own: set "
            f"{needed_variables(route)} where `bursar up` runs",
            field="authorization",
        )
    if route.speaks(family, dialect):
        plan = direct(arrival, envelope, model, route)
    else:
        plan = through_translation(worker, envelope, model, route, dialect)
    if len(envelope.plans) < PLANS_MAX:
        envelope.plans[key] = plan
    return plan


def may_go_elsewhere(arrival: Arrival) -> bool:
    """Whether the call may go to an upstream of another dialect: its own can be translated, and no path names one."""
    return arrival.dialect.name in TRANSLATED and not arrival.upstream_name


def direct(arrival: Arrival, envelope: Envelope, model: str, route: Route) -> Plan:
    """To an upstream that speaks the caller's dialect."""
    path = arrival.path
    if arrival.asked is not None and arrival.asked.model_in_path and model != arrival.asked.model:  # not the client's
        path = with_model(path, model)
    return Plan(route, write_head(route, _method(arrival), path, envelope.query, envelope.headers, envelope.credential))


def _method(arrival: Arrival) -> str:
    return METHODS.get(arrival.dialect.operation, "POST")


def through_translation(worker: Worker, envelope: Envelope, model: str, route: Route, caller: str) -> Plan:
    """To an upstream that speaks another dialect. Raises Forbidden for a caller's own key: it is another provider's."""
    if envelope.credential.client_secret:
        raise Forbidden(
            f"model {model!r} is asked of upstream {route.name!r} in another provider's dialect, and the caller's own "
            "key is not shown there: use a Bursar key (`bursar keys create NAME`)",
            field="authorization",
        )
    codec = route.interpreter_for(caller)
    if codec is None:
        raise NoUpstream(f"upstream {route.name!r} speaks dialects that nobody translates to", field="model")
    headers = [header for header in envelope.headers if not header[0].startswith(DIALECT_PREFIXES)]
    headers += DIALECT_HEADERS.get(route.family, [])
    asked = []
    for streams in (False, True):
        path, _, query = _path_of(codec, model, streams=streams).partition("?")
        path = unquote(path)  # the head quotes it
        found = dialect_for("POST", path)
        if found is None:
            raise NoUpstream(f"upstream {route.name!r} has no path for a model named {model!r}", field="model")
        asked.append((found[0], write_head(route, "POST", path, query.encode(), headers, envelope.credential)))
    other = Elsewhere(
        codec,
        asked[0],
        asked[1],
        wants_all(envelope.headers),
        b"alt=sse" in envelope.query,
        worker.settings.output_tokens_default,
    )
    return Plan(route, asked[0][1], other)


def _path_of(codec: Codec | Embedder, model: str, *, streams: bool) -> str:
    if isinstance(codec, Embedder):
        return codec.path(model)
    return codec.path(Conversation(model=model, messages=(), stream=streams))


def needed_variables(route: Route) -> str:
    """What the operator must set for this upstream."""
    named = route.settings.api_key_env
    return f"{named} and {secret_variable(named)}" if route.auth == SIGV4 else named


def body_for(route: Route, dialect: Dialect, asked: Asked, body: bytes) -> bytes:
    """The body as that upstream gets it: usage is asked for where a stream wouldn't say it; else the same object."""
    if asked.stream and not asked.wants_usage and route.settings.include_usage:
        return dialect.with_usage(body, asked)
    return body

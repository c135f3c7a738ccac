"""The choice of the upstream, decided once for calls alike."""

from bursar.domain.errors import Forbidden, NoUpstreamKey
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.envelope import PLANS_MAX, Envelope, Plan
from bursar.gateway.forward import write_head
from bursar.gateway.route import Route
from bursar.gateway.sigv4 import secret_variable
from bursar.providers.base import Asked, Dialect
from bursar.providers.registry import with_model
from bursar.providers.services import SIGV4


def choose_upstream(worker: Worker, arrival: Arrival, envelope: Envelope, model: str, upstream_name: str = "") -> Plan:
    """Which upstream, decided once for calls alike. upstream_name: the one that it must be, where the path names none.

    Raises NoUpstream, NoUpstreamKey, or Forbidden (foreign key).
    """
    upstream_name = arrival.upstream_name or upstream_name
    key = (arrival.path, envelope.query, upstream_name, model)
    plan = envelope.plans.get(key)
    if plan is not None:
        return plan
    credential, family = envelope.credential, arrival.dialect.family
    if upstream_name:
        route = worker.routes.named(upstream_name, family, arrival.dialect.name)
    else:
        route = worker.routes.choose(family, model, arrival.dialect.name)
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
    path = arrival.path
    if arrival.asked is not None and arrival.asked.model_in_path and model != arrival.asked.model:  # not the client's
        path = with_model(path, model)
    plan = Plan(route, write_head(route, "POST", path, envelope.query, envelope.headers, credential))
    if len(envelope.plans) < PLANS_MAX:
        envelope.plans[key] = plan
    return plan


def needed_variables(route: Route) -> str:
    """What the operator must set for this upstream."""
    named = route.settings.api_key_env
    return f"{named} and {secret_variable(named)}" if route.auth == SIGV4 else named


def body_for(route: Route, dialect: Dialect, asked: Asked, body: bytes) -> bytes:
    """The body as that upstream gets it: usage is asked for where a stream wouldn't say it; else the same object."""
    if asked.stream and not asked.wants_usage and route.settings.include_usage:
        return dialect.with_usage(body, asked)
    return body

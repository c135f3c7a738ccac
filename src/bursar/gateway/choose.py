"""The choice of the upstream, decided once for calls alike."""

from bursar.domain.errors import Forbidden, NoUpstreamKey
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.envelope import PLANS_MAX, Envelope, Plan
from bursar.gateway.forward import write_head


def choose_upstream(worker: Worker, arrival: Arrival, envelope: Envelope, upstream_name: str, model: str) -> Plan:
    """Which upstream, decided once for calls alike. Raises NoUpstream, NoUpstreamKey, or Forbidden (foreign key)."""
    key = (arrival.path, arrival.query, upstream_name, model)
    plan = envelope.plans.get(key)
    if plan is not None:
        return plan
    credential, family = envelope.credential, arrival.dialect.family
    if upstream_name:
        route = worker.routes.named(upstream_name, family)
    else:
        route = worker.routes.choose(family, model)
    if credential.kind == "passthrough" and not route.settings.passthrough:
        raise Forbidden(
            f"upstream {route.name!r} takes Bursar keys only (`bursar keys create NAME`)", field="authorization"
        )
    needs_key = not credential.client_secret and bool(route.settings.api_key_env)
    if needs_key and not route.api_key:
        raise NoUpstreamKey(
            f"a Bursar key was used and upstream {route.name!r} has no key of its own: set "
            f"{route.settings.api_key_env} where `bursar up` runs",
            field="authorization",
        )
    plan = Plan(route, write_head(route, "POST", arrival.path, arrival.query, envelope.headers, credential))
    if len(envelope.plans) < PLANS_MAX:
        envelope.plans[key] = plan
    return plan

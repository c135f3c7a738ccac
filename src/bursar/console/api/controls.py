"""The JSON API of policies, limits and kills: reading, and the only addresses of the console that change something.

`guard.py` stands before each: this machine's names, this origin, JSON. Handlers that share a
path are coroutines: Litestar 2.25 wraps a threaded one again for each further handler of its path, and breaks it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from bursar.console.api.answers import csv_bytes
from bursar.console.api.parameters import PROBLEMS, Period, Shape, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.limit_trial import LimitTrial, limit_trial_csv, try_limit
from bursar.console.trial import TrialAnswer, trial_csv, try_policy
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import Kill, KillTerms, Limit, LimitTerms, Policy, PolicyTerms, written
from bursar.domain.periods import Period as Span
from bursar.governance.controls import Controls

Asked = Request[Any, Any, Any]
T = TypeVar("T")


class PolicyAnswer(msgspec.Struct, frozen=True):
    """A policy. `terms` holds what it says, defaults left out."""

    policy_id: str
    name: str
    is_on: bool
    match: str
    terms: PolicyTerms
    created_at: datetime
    created_by: str


class LimitAnswer(msgspec.Struct, frozen=True):
    """A limit."""

    limit_id: str
    name: str
    match: str
    terms: LimitTerms
    created_at: datetime
    created_by: str


class KillAnswer(msgspec.Struct, frozen=True):
    """What is stopped, by whom, since when and why."""

    kill_id: str
    name: str
    terms: KillTerms
    created_at: datetime
    created_by: str


class NewPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy to be made; one that is off can be tried first."""

    name: str
    terms: PolicyTerms
    is_on: bool = True


class NewLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit to be made."""

    name: str
    terms: LimitTerms


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On or off."""

    is_on: bool


def controls_of(request: Asked) -> Controls:
    context: ConsoleContext = request.app.state.context
    return context.controls()


def changing(request: Asked, act: Callable[[Controls], T]) -> T:
    """What an act on the controls answers; the workers are told once it is kept."""
    controls = controls_of(request)
    done = act(controls)
    controls.publish()
    return done


@get("/api/policies", responses=PROBLEMS, summary="Policies, on and off")
async def policies(request: Asked, format_: Shape = None) -> Response[list[PolicyAnswer]]:
    """All policies that weren't removed, oldest first."""
    found = await asyncio.to_thread(controls_of(request).policies.all)
    return listed([policy_answer(one) for one in found], format_, PolicyAnswer)


@post("/api/policies", responses=PROBLEMS, summary="Make a policy")
async def make_policy(request: Asked, data: JSONBody[NewPolicy]) -> PolicyAnswer:
    """In force on all workers within a second, unless it is off. 400 `bad_control`, 409 `name_taken`."""

    def make(controls: Controls) -> PolicyAnswer:
        return policy_answer(controls.policies.create(data.name, data.terms, is_on=data.is_on, actor=ACTOR))

    return await asyncio.to_thread(changing, request, make)


@post("/api/policies/{name:str}/switch", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Switch a policy on or off")  # fmt: skip
def switch_policy(request: Asked, name: FromPath[str], data: JSONBody[Switch]) -> PolicyAnswer:
    """By its name or id. 404 `unknown_control`."""
    policy = changing(request, lambda controls: controls.policies.switch(name, data.is_on, actor=ACTOR))
    return policy_answer(policy)


@delete("/api/policies/{name:str}", sync_to_thread=True, status_code=200, responses=PROBLEMS, summary="Remove a policy")
def remove_policy(request: Asked, name: FromPath[str]) -> PolicyAnswer:
    """By its name or id. 404 `unknown_control`."""
    return policy_answer(changing(request, lambda controls: controls.policies.remove(name, actor=ACTOR)))


@get("/api/policies/{name:str}/try", sync_to_thread=True, responses=PROBLEMS, summary="A policy against the past")
def try_one(
    request: Asked, name: FromPath[str], period: Period = None, tz: Zone = None, format_: Shape = None
) -> Response[TrialAnswer]:
    """What it would have refused or changed: how many calls, whose, how much. It changes nothing."""
    context: ConsoleContext = request.app.state.context
    policy = context.controls().policies.one(name)
    answer = try_policy(context, policy, past(context, period, tz))
    return as_csv(trial_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/limits", responses=PROBLEMS, summary="Limits in force")
async def limits(request: Asked, format_: Shape = None) -> Response[list[LimitAnswer]]:
    """All limits, oldest first."""
    found = await asyncio.to_thread(controls_of(request).limits.all)
    return listed([limit_answer(one) for one in found], format_, LimitAnswer)


@post("/api/limits", responses=PROBLEMS, summary="Make a limit")
async def make_limit(request: Asked, data: JSONBody[NewLimit]) -> LimitAnswer:
    """In force on all workers within a second. 400 `bad_control`, 409 `name_taken`."""

    def make(controls: Controls) -> LimitAnswer:
        return limit_answer(controls.limits.create(data.name, data.terms, actor=ACTOR))

    return await asyncio.to_thread(changing, request, make)


@delete("/api/limits/{name:str}", sync_to_thread=True, status_code=200, responses=PROBLEMS, summary="Remove a limit")
def remove_limit(request: Asked, name: FromPath[str]) -> LimitAnswer:
    """By its name or id. 404 `unknown_control`."""
    return limit_answer(changing(request, lambda controls: controls.limits.remove(name, actor=ACTOR)))


@get("/api/limits/{name:str}/try", sync_to_thread=True, responses=PROBLEMS, summary="A limit against the past")
def try_one_limit(
    request: Asked, name: FromPath[str], period: Period = None, tz: Zone = None, format_: Shape = None
) -> Response[LimitTrial]:
    """How many calls it would have refused, whose, and how fast calls came. It changes nothing."""
    context: ConsoleContext = request.app.state.context
    answer = try_limit(context, context.controls().limits.one(name), past(context, period, tz))
    return as_csv(limit_trial_csv(answer)) if format_ == "csv" else Response(answer)


def past(context: ConsoleContext, period: str | None, tz: str | None) -> Span:
    """The period that something is tried against: last month, if nothing else is said."""
    query = {key: [value] for key, value in (("period", period), ("tz", tz)) if value}
    return context.view("/controls", query or {"period": ["last-month"]}).period


@get("/api/kills", responses=PROBLEMS, summary="What is stopped")
async def kills(request: Asked, format_: Shape = None) -> Response[list[KillAnswer]]:
    """All kills in force, oldest first."""
    found = await asyncio.to_thread(controls_of(request).kills.all)
    return listed([kill_answer(one) for one in found], format_, KillAnswer)


@post("/api/kills", responses=PROBLEMS, summary="Stop a key, agent, session, feature or everything")
async def make_kill(request: Asked, data: JSONBody[KillTerms]) -> KillAnswer:
    """Refuses on all workers within a second. The empty match is everything. 400 `bad_control`, 409 `name_taken`."""

    def make(controls: Controls) -> KillAnswer:
        return kill_answer(controls.kills.create(data, actor=ACTOR))

    return await asyncio.to_thread(changing, request, make)


@delete("/api/kills/{name:str}", sync_to_thread=True, status_code=200, responses=PROBLEMS, summary="Lift a kill")
def lift_kill(request: Asked, name: FromPath[str]) -> KillAnswer:
    """By its id, or by what is stopped (`agent=crawler`). 404 `unknown_control`."""
    return kill_answer(changing(request, lambda controls: controls.kills.lift(name, actor=ACTOR)))


def policy_answer(one: Policy) -> PolicyAnswer:
    return PolicyAnswer(
        one.policy_id, one.name, one.is_on, written(one.terms.match), one.terms, datetime_from_us(one.created_us),
        one.created_by,
    )  # fmt: skip


def limit_answer(one: Limit) -> LimitAnswer:
    return LimitAnswer(
        one.limit_id, one.name, written(one.terms.match), one.terms, datetime_from_us(one.created_us), one.created_by
    )


def kill_answer(one: Kill) -> KillAnswer:
    return KillAnswer(one.kill_id, one.name, one.terms, datetime_from_us(one.created_us), one.created_by)


def listed(answers: list[T], shape: str | None, kind: type[T]) -> Response[list[T]]:
    """As JSON, or as CSV with the terms as JSON text."""
    if shape != "csv":
        return Response(answers)
    return as_csv(listed_csv(answers, kind))


def as_csv(content: bytes) -> Response[Any]:
    return Response(content, media_type="text/csv")


def listed_csv(answers: list[T], kind: type[T]) -> bytes:
    """A row each; terms are JSON text, several phrases one."""
    heads = [field.name for field in msgspec.structs.fields(kind)]  # type: ignore[arg-type]
    return csv_bytes(heads, [[_cell(getattr(one, name)) for name in heads] for one in answers])


def _cell(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return "; ".join(value) if isinstance(value, list) else value


CONTROL_HANDLERS = [
    policies, make_policy, switch_policy, remove_policy, try_one, limits, make_limit, remove_limit, try_one_limit,
    kills, make_kill, lift_kill,
]  # fmt: skip

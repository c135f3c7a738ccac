"""What happens to a call that would pass a threshold of a budget: an approval is looked for, a pace is kept, or a
cheaper model takes its place. Off the hot path: a call comes here only if a budget that it touches has come so far.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.budgets.lease import BalanceKey
from bursar.budgets.refusals import header_text, throttled, unapproved
from bursar.budgets.thresholds import PASSED, Threshold, approved, threshold_text
from bursar.domain.errors import BursarError
from bursar.gateway.attribute import Attributed
from bursar.gateway.bound import bound_of, input_bound, output_limit
from bursar.gateway.call import Arrival, Call, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import body_for, choose_upstream
from bursar.gateway.decide import as_decided, notes_of, with_model
from bursar.gateway.envelope import Envelope
from bursar.gateway.heads import Headers
from bursar.gateway.hold import hold
from bursar.gateway.hour_news import approval_key
from bursar.gateway.pace import Pace
from bursar.gateway.rules import FORCED
from bursar.gateway.translation import limit_note, translate
from bursar.providers.base import Asked

Hold = Callable[[Worker, Call, Envelope, Attributed, Mapping[BalanceKey, int]], Awaitable[None]]

ACTION_HEADER = b"x-bursar-budget-action"
REROUTED = ("asked", "route", "head", "body", "strips_usage", "notes", "bound", "dialect", "translation")
FIRST = ("approve", "throttle", "route")  # a call that waits for a person takes no place and isn't rewritten


async def act_and_hold(
    worker: Worker,
    call: Call,
    arrival: Arrival,
    envelope: Envelope,
    attributed: Attributed,
    case: Case | None,
    reached: MarkReached,
    hold_it: Hold = hold,
) -> None:
    """Take the actions of each threshold that the call would pass, and hold it past them.

    hold_it: what bounds and holds the call.
    Raises BudgetApprovalRequired, BudgetThrottled, or what `hold` raises; nothing is held then, and no place taken.
    """
    met: dict[BalanceKey, int] = {}
    paced: list[Pace] = []
    try:
        while True:  # each round meets a further threshold of a budget, so it ends
            for threshold in _ahead(reached, met.get(reached.claim.key, 0)):
                _take_action(worker, call, arrival, envelope, case, reached, threshold, paced)
            met[reached.claim.key] = reached.percent
            try:
                await hold_it(worker, call, envelope, attributed, met)
            except MarkReached as further:
                reached = further
            else:
                return
    finally:
        if call.holding is None:
            for pace in paced:
                pace.take_back(arrival.received_us)


def _ahead(reached: MarkReached, met: int) -> list[Threshold]:
    """The thresholds between the last one that the call met and the one that it has come to."""
    thresholds = reached.claim.budget.thresholds
    found = [one for one in thresholds if one.action in PASSED and met < one.percent <= reached.percent]
    return sorted(found, key=lambda one: (FIRST.index(one.action), one.percent))


def _take_action(
    worker: Worker,
    call: Call,
    arrival: Arrival,
    envelope: Envelope,
    case: Case | None,
    reached: MarkReached,
    threshold: Threshold,
    paced: list[Pace],
) -> None:
    budget, key, now_us = reached.claim.budget, reached.claim.key, arrival.received_us
    match threshold.action:
        case "approve":
            if approved(budget.approvals, threshold.percent, key.value, now_us) is None:
                worker.approvals.add(approval_key(budget.budget_id, threshold.percent, key.value), now_us)
                status = worker.settings.budget_refusal_status
                raise unapproved(budget, key.value, threshold, reached.grant, now_us, status=status)
        case "throttle":
            pace = worker.paces.of(key, threshold.percent, threshold.per_minute)
            if wait_s := pace.wait_s(now_us):
                raise throttled(budget, key.value, threshold, reached.grant, wait_s)
            pace.let_pass(now_us)
            paced.append(pace)
        case _:
            if not _route(worker, call, arrival, envelope, case, threshold.models):
                return
    told = f"{budget.budget_id} {threshold_text(threshold)}"
    call.notes = [*call.notes, (ACTION_HEADER, header_text(told).encode())]


def _route(
    worker: Worker, call: Call, arrival: Arrival, envelope: Envelope, case: Case | None, models: tuple[str, ...]
) -> bool:
    """Send the call to the first of the models that is cheaper for it. False: it stays as it is."""
    if call.dialect.operation not in FORCED:
        return False
    for model in models:
        if model == call.asked.model:
            return False
        considered = case and _considered(worker, arrival, envelope, case, model)
        if case is not None and considered is None:
            continue
        routed = _as_routed(worker, call, arrival, envelope, considered, model)
        if routed is None:
            continue
        if considered is not None:
            _change_places(worker, call, considered, arrival.received_us)
        for name in REROUTED:
            setattr(call, name, getattr(routed, name))
        call.routing = None  # the route chose for another model
        return True
    return False


def _considered(worker: Worker, arrival: Arrival, envelope: Envelope, case: Case, model: str) -> Case | None:
    """The case with another model; None where no upstream has it for this caller, or a policy or kill forbids it."""
    try:
        upstream = choose_upstream(worker, arrival, envelope, model).route.settings
        return worker.decider.reconsider(case, model, upstream.provider, upstream.region, worker.clock.now_us())
    except BursarError:
        return None


def _as_routed(
    worker: Worker, call: Call, arrival: Arrival, envelope: Envelope, case: Case | None, model: str
) -> Call | None:
    """The call with another model, made of the client's own bytes; None where that isn't possible, or not cheaper."""
    try:
        plan = choose_upstream(worker, arrival, envelope, model)
        asked, decided = _asked_anew(arrival, case, model)
    except BursarError:
        return None
    head, dialect, translation = plan.head, arrival.dialect, None
    limited: Headers = []
    if plan.other is not None:
        try:
            spoken = translate(plan.other, dialect, asked, decided)
        except BursarError:
            return None
        translation, dialect, head, asked, decided = msgspec.structs.astuple(spoken)
        limited = limit_note(spoken)
    body = body_for(plan.route, dialect, asked, decided)
    forced = (
        notes_of(case, asked) if case is not None else [(b"x-bursar-model-forced", model.encode("ascii", "replace"))]
    )
    notes = [*(note for note in call.notes if note[0].startswith(b"x-bursar-budget")), *forced, *limited]
    routed = msgspec.structs.replace(
        call,
        asked=asked,
        route=plan.route,
        head=head,
        body=body,
        strips_usage=body is not decided,
        notes=notes,
        dialect=dialect,
        translation=translation,
    )
    now_us, before = arrival.received_us, call.bound.pico
    tokens = input_bound(worker, call.route.name, call.asked, len(call.body))  # alike for both: prices are compared
    output_max = output_limit(worker, call)
    after = bound_of(worker, routed, output_max, now_us, input_tokens=tokens).pico
    if before is None or after is None or after >= before:
        return None
    return routed


def _asked_anew(arrival: Arrival, case: Case | None, model: str) -> tuple[Asked, bytes]:
    """Raises BadRequest where the model's place in the body is in doubt."""
    dialect = arrival.dialect
    asked = dialect.read_request(arrival.body)  # anew: what the hold changed in the other one isn't in these bytes
    if case is None:
        return with_model(asked, arrival.body, model, dialect)
    return as_decided(asked, arrival.body, case, dialect)


def _change_places(worker: Worker, call: Call, case: Case, now_us: int) -> None:
    """The limits that are about the model it now goes to. Raises RateLimited."""
    if call.taken is not None:
        call.taken.release(was_sent=False)
        call.taken = None
    call.taken = worker.decider.place(case, now_us)

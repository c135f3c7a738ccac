"""The hold: what a call can cost at most is taken out of every budget it touches, before anything is sent (law 4)."""

import asyncio
from collections.abc import Callable

from bursar.budgets.bounds import learned_as
from bursar.budgets.budget import Budget
from bursar.budgets.holds import NOTHING_MET, MarkReached, Met, Touching
from bursar.budgets.matching import Subject
from bursar.budgets.refusals import unpriced
from bursar.domain.errors import BadRequest, BudgetExhausted, Forbidden
from bursar.gateway.attribute import Attributed
from bursar.gateway.bound import bound_of, bound_there, output_limit
from bursar.gateway.cache_memory import recall_cache
from bursar.gateway.call import Bound, Call, Routing, Way, Worker
from bursar.gateway.envelope import TOUCHED_MAX, Envelope
from bursar.gateway.firsts import FIRST_BILL_WAIT_S
from bursar.gateway.route import Route

CLAMPED_TOKENS_MIN = 16  # an answer shorter than that helps nobody: the call is refused instead


async def hold(worker: Worker, call: Call, envelope: Envelope, attributed: Attributed, met: Met = NOTHING_MET) -> None:
    """Bound the call, and hold that against its budgets.

    Raises BudgetExhausted, BudgetUnpriced, BudgetsUnavailable or MarkReached; nothing is held then.
    """
    if call.asked.keeps is not None:
        await recall_cache(worker, call)
    touching = touched_by(worker, call, envelope, attributed) if len(worker.budgeting.index) else None
    now_us = call.facts.received_us
    if touching is not None and call.asked.also:
        refuse_other_budgets(worker, call, attributed, touching)
    if touching is None or not touching.budgets:
        call.bound = bound_of(worker, call, output_limit(worker, call), now_us)
        return
    limit = output_limit(worker, call)
    if call.routing is not None:
        keep_ways_alike(worker, call, attributed, touching)
    if call.asked.max_output_tokens is None and limit and any(one.budget.mode != "warn" for one in touching.budgets):
        send_output_limit(call, limit)
    bound = call.bound = bound_of(worker, call, limit, now_us)
    if bound.pico is None:
        hard = [one for one in touching.budgets if one.budget.mode != "warn"]
        if hard:
            error = unpriced(hard[0].budget, hard[0].value, call.route.provider, call.asked.model)
            if call.asked.keeps is not None and call.asked.keeps.cache_id and call.asked.keeps.known is None:
                error.message += (
                    ". This cached content wasn't made through Bursar, so its tokens and model aren't known"
                )
            raise error
        call.notes.append((b"x-bursar-budget-warning", warning_text([one.budget for one in touching.budgets])))
        return
    if not bound.pico:
        return
    learned = learned_as(call.route.name, call.asked.model, searches=call.asked.reads_more)
    is_first = worker.firsts.is_new(learned) and not call.asked.continues  # what is kept is bounded by what it was
    is_first = is_first and call.asked.keeps is None  # nothing is added unseen to what is stored
    if is_first and any(one.budget.mode != "warn" for one in touching.budgets):
        await hold_first(worker, call, touching, learned, met)
    else:
        await hold_bound(worker, call, touching, met)


async def hold_bound(worker: Worker, call: Call, touching: Touching, met: Met) -> None:
    """Hold what the call can cost by what is known; with less room for its answer, where its budget says so."""
    now_us, limit = call.facts.received_us, output_limit(worker, call)
    try:
        await take(worker, call, touching, dearest(worker, call, limit) if call.routing else call.bound, met)
    except BudgetExhausted as error:
        if not error.may_clamp or not clamp(worker, call, error.left_pico, now_us):
            raise
        if call.routing is not None:  # what is left was measured for the first way
            keep_ways(call.routing, "budget", lambda way: False)
        await take(worker, call, touching, call.bound, met)


async def hold_first(worker: Worker, call: Call, touching: Touching, learned: str, met: Met) -> None:
    """Hold a call of a model that has billed nothing yet: with a margin for input that no request shows, and few of
    them at a time; others wait for the first bill. Where there is no room for the margin, one goes without it.

    So what would be let through one after another still is. Past a threshold that acts, where little is left, they go
    one by one and leave the room that the margin would take to others. learned: as `learned_as` names the model.
    """
    firsts, loop = worker.firsts, asyncio.get_running_loop()
    deadline = loop.time() + FIRST_BILL_WAIT_S
    refusal: BudgetExhausted | MarkReached | None = None  # of the margin
    while firsts.is_new(learned):
        is_late = loop.time() >= deadline
        goes_alone = refusal is not None or (bool(met) and not is_late)
        if is_late or firsts.may_enter(learned, alone=goes_alone):
            call.first = firsts.enter(learned)
            try:
                if not goes_alone:
                    refusal = await hold_with_margin(worker, call, touching, met)
                if (goes_alone or refusal is not None) and firsts.is_alone(learned):
                    await hold_bound(worker, call, touching, met)
                if call.holding is not None:
                    return
            finally:
                if call.holding is None:
                    firsts.leave(call.first)
            if is_late and refusal is not None:
                raise refusal
        await firsts.turn(learned, deadline - loop.time(), alone=goes_alone or refusal is not None)
    call.bound = bound_of(worker, call, output_limit(worker, call), call.facts.received_us)
    await hold_bound(worker, call, touching, met)


async def hold_with_margin(
    worker: Worker, call: Call, touching: Touching, met: Met
) -> BudgetExhausted | MarkReached | None:
    """Hold the call and `gateway.hidden_input_tokens_first` more; or what is against that, which refuses nobody yet."""
    limit, hidden, known = output_limit(worker, call), worker.settings.hidden_input_tokens_first, call.bound
    call.bound = bound_of(worker, call, limit, call.facts.received_us, hidden=hidden)
    try:
        await take(worker, call, touching, dearest(worker, call, limit, hidden) if call.routing else call.bound, met)
    except BudgetExhausted as error:
        call.bound = known
        error.message += (
            f". That is with {hidden} tokens for input that may be added unseen: no call of {call.asked.model!r} was "
            "billed yet"
        )
        return error
    except MarkReached as reached:
        call.bound = known
        worker.budgeting.the_refills().unmark(reached.claim.key)
        return reached
    return None


async def take(worker: Worker, call: Call, touching: Touching, bound: Bound, met: Met) -> None:
    """Out of the worker's purse if it can be, else the authority is asked."""
    refills = worker.budgeting.the_refills()
    likely, most, now_us = bound.likely_pico or 0, bound.pico or 0, call.facts.received_us
    holding = refills.purse.hold_again(touching, likely, most, now_us)
    if holding is None:
        holding = await refills.take(touching, likely, most, now_us, met)
    call.holding = holding
    if holding.warned:
        call.notes.append((b"x-bursar-budget-warning", warning_text(holding.warned)))


def touched_by(worker: Worker, call: Call, envelope: Envelope, attributed: Attributed) -> Touching:
    """The budgets that a call touches; remembered for calls whose headers alone say whom they are for."""
    budgeting, route, model = worker.budgeting, call.route, call.asked.model
    if (
        call.asked.keeps is not None and call.asked.keeps.known is not None
    ):  # a change names no model, its cache has one
        model = call.asked.keeps.known.model
    key = (budgeting.version, route.name, model, call.dialect.operation)
    is_known = attributed is envelope.attributed
    if is_known and (found := envelope.touched.get(key)) is not None:
        return found
    found = touched_there(worker, call, route, model, attributed)
    if is_known:
        if len(envelope.touched) >= TOUCHED_MAX:
            envelope.touched.clear()
        envelope.touched[key] = found
    return found


def touched_there(worker: Worker, call: Call, route: Route, model: str, attributed: Attributed) -> Touching:
    """The budgets that the call touches when it goes there."""
    facts = call.facts
    subject = Subject(
        facts.scope,
        facts.credential_id,
        facts.credential_kind,
        route.name,
        route.provider,
        model,
        call.dialect.operation,
        attributed.attribution,
    )
    return Touching(worker.budgeting.index.touching(subject))


def refuse_other_budgets(worker: Worker, call: Call, attributed: Attributed, touching: Touching) -> None:
    """Raises Forbidden where a model that may answer instead is under a budget that the one asked for isn't under: what
    it costs would be held against none."""
    for model, _ in call.asked.also:
        there = touched_there(worker, call, call.route, model, attributed)
        others = [one.budget for one in there.budgets if one not in touching.budgets and one.budget.mode != "warn"]
        if others:
            raise Forbidden(
                f"{model!r} may answer in the place of {call.asked.model!r} and is under the budget "
                f"{others[0].name!r}, which isn't about {call.asked.model!r}: leave it out, or ask for it by its name",
                field="model",
            )


def keep_ways_alike(worker: Worker, call: Call, attributed: Attributed, touching: Touching) -> None:
    """Of the ways that a call may go, those that touch the same budgets as the first and have a price: the hold that
    is taken now covers an attempt there too."""
    routing, limit, now_us = call.routing, output_limit(worker, call), call.facts.received_us
    if routing is None or all(one.budget.mode == "warn" for one in touching.budgets):
        return

    def is_alike(way: Way) -> bool:
        there = touched_there(worker, call, way.plan.route, way.model, attributed)
        return there.budgets == touching.budgets and bound_there(worker, call, way, limit, now_us).pico is not None

    keep_ways(routing, "budget", is_alike)


def keep_ways(routing: Routing, why: str, is_kept: Callable[[Way], bool]) -> None:
    """Drop ways behind the first that aren't kept, and remember why."""
    for way in routing.ways[1:]:
        if not is_kept(way):
            routing.passed.append((way.plan.route.name, way.model, why))
            routing.ways.remove(way)


def dearest(worker: Worker, call: Call, limit: int, hidden: int = 0) -> Bound:
    """What must be held so that an attempt on any way is covered; each of them, if more than one may be billed."""
    routing, bound = call.routing, call.bound
    if routing is None:
        return bound
    bounds = [bound_there(worker, call, way, limit, call.facts.received_us, hidden=hidden) for way in routing.ways]
    rule, times = routing.rule, 1
    if len(bounds) > 1 and rule.after_timeout:
        times = call.attempts_max
    elif len(bounds) > 1 and rule.hedge_after_ms is not None:
        times = 2
    pico = max(one.pico or 0 for one in bounds) * times
    likely = max(one.likely_pico or 0 for one in bounds)
    return Bound(pico, likely, bound.sku_price_id)


def send_output_limit(call: Call, tokens: int) -> None:
    """What the bound assumes is really sent, and the answer says so."""
    choices = call.asked.choices or 1
    changed = call.dialect.with_output_limit(call.body, tokens // choices)
    if changed is None:
        raise BadRequest(
            "a budget touches this call, and its output limit can't be set: the body names it twice", field="max_tokens"
        )
    call.body = changed
    call.asked.max_output_tokens = tokens // choices
    told = (b"x-bursar-max-tokens", b"%d" % (tokens // choices))
    call.notes = [*(note for note in call.notes if note[0] != told[0]), told]  # a policy may have lowered it before


def clamp(worker: Worker, call: Call, left_pico: int, now_us: int) -> bool:
    """Lower the output limit to what is left of the budget. False: too little is left for an answer."""
    whole, nothing = call.bound, bound_of(worker, call, 0, now_us)
    limit = output_limit(worker, call)
    if whole.pico is None or nothing.pico is None or not limit or whole.pico <= nothing.pico:
        return False
    affordable = (left_pico - nothing.pico) * limit // (whole.pico - nothing.pico) // (call.asked.choices or 1)
    if affordable < CLAMPED_TOKENS_MIN:
        return False
    call.asked.max_output_tokens = None
    send_output_limit(call, affordable * (call.asked.choices or 1))
    call.bound = bound_of(worker, call, output_limit(worker, call), now_us)
    return call.bound.pico is not None and call.bound.pico <= left_pico


def warning_text(warned: list[Budget]) -> bytes:
    """The budgets of mode `warn` that would have refused."""
    return ", ".join(f"{budget.budget_id} would refuse" for budget in warned).encode()

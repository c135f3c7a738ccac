"""The creation of a batch: decided, held and written down like a call; what it costs is known with its results.

The row of the creation is charged its bound, `assumed` (without a known bound: `unpriced`), until the results are read:
then it costs nothing and its lines cost what they used. The bound stands in the budgets as spent meanwhile.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from bursar.budgets.holds import MarkReached
from bursar.budgets.refusals import unpriced
from bursar.domain.charge import Outcome
from bursar.domain.errors import BadRequest, BudgetExhausted, BursarError, Forbidden, Overloaded, UpstreamUnreachable
from bursar.domain.hashing import fingerprint
from bursar.domain.jobs import Held, Job, JobDetail, Models, owner_of
from bursar.gateway.attribute import Attributed
from bursar.gateway.batch_bounds import IN_DOUBT, NO_MODELS, bound_of_batch, models_of, sole_model
from bursar.gateway.call import Arrival, Attempt, Call, Worker
from bursar.gateway.case import Case
from bursar.gateway.choose import choose_upstream
from bursar.gateway.client import Client, ClientGone, with_length
from bursar.gateway.decide import as_attributed, notes_of
from bursar.gateway.dispatch import dispatch
from bursar.gateway.doubles import has_controls, refuse_doubles
from bursar.gateway.envelope import Envelope, Plan
from bursar.gateway.forward import NOT_RETURNED
from bursar.gateway.hold import take, touched_by
from bursar.gateway.meter import not_billed, unanswered
from bursar.gateway.pipeline import admit, attribute_call, judge
from bursar.gateway.rates import Taken
from bursar.gateway.results_url import results_here
from bursar.gateway.settle import end_unsent, refuse, settle, settle_lost
from bursar.gateway.upstream import Reply
from bursar.providers.base import Answer, Asked, Dialect, read_reply
from bursar.providers.batches import ANTHROPIC_BATCH, OPENAI_BATCH, BatchState, read_batch, read_creation
from bursar.spool.records import CallFacts

ANSWER_BYTES_MAX = 8 * 1024 * 1024
FIRST_LOOK_US = 60 * 1_000_000


async def begin_batch(worker: Worker, client: Client, dialect: Dialect, path: str, upstream_name: str) -> None:
    """Carry one creation to its provider and back."""
    now_us = worker.clock.now_us()
    arrival = Arrival(worker.ids.new(now_us), now_us, dialect, path, upstream_name)
    call: Call | None = None
    taken: Taken | None = None
    job: Job | None = None
    worker.in_flight += 1
    try:
        if worker.in_flight > worker.settings.waiting_calls_max:
            raise Overloaded("too many calls are under way in this worker (gateway.waiting_calls_max); try again")
        arrival.envelope = envelope = worker.envelopes.open(client.head)
        arrival.body = body = await client.body(worker.settings.file_bytes_max)
        input_id, endpoint = read_creation(body) if dialect.family == "openai" else ("", "")
        plan = choose_upstream(worker, arrival, envelope, "")
        models = await _models(worker, dialect, plan, input_id, body)
        arrival.asked = asked = Asked(sole_model(models), tier="batch")
        if has_controls(worker, ""):
            await asyncio.to_thread(refuse_doubles, body)  # its file given twice is two files
            _refuse_doubles(models)
        attributed = attribute_call(envelope, asked)
        case = _judged(worker, arrival, envelope, models, attributed)
        if case is not None:
            taken = admit(worker, case, plan)
            attributed = as_attributed(case, attributed)
        call = _call(worker, arrival, envelope, attributed, plan, case)
        call.taken = taken
        call.bound = bound_of_batch(worker, plan.route, models, now_us)
        await _hold(worker, call, envelope, attributed)
        begun = job = _job(call, envelope, dialect, input_id, endpoint)
        await worker.jobs.ask(lambda book: book.begin(begun))
        attempt, reply = await dispatch(worker, call, client)
        try:
            await _answer(worker, call, attempt, reply, client, begun, upstream_name)
        finally:
            reply.close()
    except ClientGone:
        end_unsent(worker, arrival)
    except BursarError as error:
        if job is not None and isinstance(error, UpstreamUnreachable | Overloaded):  # nothing was sent
            gone = job.job_key
            await worker.jobs.ask(lambda book: book.drop(gone))
        await refuse(worker, arrival, client, error, was_sent=bool(call and call.attempts))
    finally:
        worker.in_flight -= 1
        if call is not None:
            settle_lost(worker, call)
        if taken is not None:
            taken.release(was_sent=bool(call and call.attempts))


async def _models(
    worker: Worker, dialect: Dialect, plan: Plan, input_id: str, body: bytes
) -> Mapping[str, Models] | None:
    """What the batch asks for, by model; None where its file didn't go through Bursar."""
    if dialect.family == "anthropic":
        return await asyncio.to_thread(models_of, ANTHROPIC_BATCH, body)  # it may be large, and calls go on
    return await worker.jobs.ask(lambda book: book.file(plan.route.name, input_id))


def _refuse_doubles(models: Mapping[str, Models] | None) -> None:
    """Raises BadRequest if a line of the batch gives a field twice."""
    if models and IN_DOUBT in models:
        raise BadRequest(
            f"{models[IN_DOUBT].requests} requests of this batch give a field more than once, and rules of this site "
            "go by what a call asks for: send each field once",
            field="requests",
        )


def _judged(
    worker: Worker, arrival: Arrival, envelope: Envelope, models: Mapping[str, Models] | None, attributed: Attributed
) -> Case | None:
    """What kills and policies make of it, for each of its models. Raises Forbidden where one would change a line: the
    lines of a batch go out as they are."""
    case: Case | None = None
    named = [name for name in models or () if name not in NO_MODELS] or [""]
    first = arrival.asked.model if arrival.asked else ""
    for model in sorted(named, key=lambda name: name == first):  # the one it is about comes last
        case = judge(worker, arrival, envelope, Asked(model, tier="batch"), attributed)
        if case is not None and (case.model_forced or case.output_tokens_sent):
            raise Forbidden(
                f"a policy changes the model or the output limit of calls for {model!r}, and the lines of a batch "
                "can't be changed: send them one by one, or except batches from the policy",
                field="model",
            )
    return case


async def _hold(worker: Worker, call: Call, envelope: Envelope, attributed: Attributed) -> None:
    """Its bound against every budget it touches. Raises BudgetExhausted, also past a threshold that acts."""
    touching = touched_by(worker, call, envelope, attributed) if len(worker.budgeting.index) else None
    if touching is None or not touching.budgets:
        return
    if call.bound.pico is None:
        hard = [one for one in touching.budgets if one.budget.mode != "warn"]
        if hard:
            error = unpriced(hard[0].budget, hard[0].value, call.route.provider, call.asked.model or "this batch")
            error.message += ". A batch is bounded where its file was uploaded through Bursar and can be read"
            raise error
        return
    if not call.bound.pico:
        return
    try:
        await take(worker, call, touching, call.bound, {})
    except MarkReached as reached:
        worker.budgeting.the_refills().unmark(reached.claim.key)
        raise BudgetExhausted(
            f"budget {reached.claim.budget.name!r} would pass its threshold of {reached.percent} %, whose action "
            "(slower, cheaper, approved) can't be taken for a batch: send the requests one by one, or a smaller batch",
            field="budget",
        ) from reached


def _call(
    worker: Worker, arrival: Arrival, envelope: Envelope, attributed: Attributed, plan: Plan, case: Case | None
) -> Call:
    credential, dialect, body = envelope.credential, arrival.dialect, arrival.body
    asked = arrival.asked or Asked()
    facts = CallFacts(
        arrival.call_id,
        arrival.received_us,
        dialect.name,
        dialect.operation,
        credential.scope,
        credential.id,
        credential.kind,
        asked.model,
        False,
        len(body),
        fingerprint(worker.secret, body),
        attributed.attribution,
        attributed.tags_dropped,
        envelope.client,
        envelope.client_retry,
    )
    return Call(
        facts,
        dialect,
        asked,
        plan.route,
        plan.head,
        body,
        False,
        attributed.dropped_note,
        arrival.received_us + int(worker.settings.call_timeout_s * 1_000_000),
        1,  # one attempt: a second one could make a second batch
        notes=notes_of(case, asked) if case else [],
        own_key=credential.own_key,
    )


def _job(call: Call, envelope: Envelope, dialect: Dialect, input_id: str, endpoint: str) -> Job:
    facts, holding = call.facts, call.holding
    posted = (call.bound.pico or 0) if holding is not None else 0
    scope = facts.scope
    credential = envelope.credential
    is_ours = not credential.client_secret  # else only its caller can ask the provider
    return Job(
        facts.call_id,
        ANTHROPIC_BATCH if dialect.family == "anthropic" else OPENAI_BATCH,
        call.route.name,
        owner_of(credential.kind, credential.id, (scope.organization, scope.team, scope.project)),
        msgspec.json.encode(facts).decode(),
        JobDetail(
            facts.call_id[:-1] + "1",
            call.route.provider,
            endpoint,
            input_id,
            call.asked.model,
            bound_pico=call.bound.pico,
            posted_pico=posted,
            held=[]
            if holding is None
            else [Held(*part.key, part.window_key, amount) for part, amount in holding.parts],
        ),
        facts.received_us,
        facts.received_us + FIRST_LOOK_US if is_ours else 0,
    )


async def _answer(
    worker: Worker, call: Call, attempt: Attempt, reply: Reply, client: Client, job: Job, upstream_name: str
) -> None:
    """The provider's answer: a batch is known by its id before its creator is; one that was refused is forgotten."""
    body = reply.content if reply.content is not None else await reply.body(ANSWER_BYTES_MAX)
    state = read_batch(body) if reply.status < 400 else None
    if state is not None:
        await worker.jobs.ask(
            lambda book: book.saw(job.job_key, state.id, state.status, state.output_id, state.errors_id, job.next_us)
        )
    elif reply.status >= 400:
        await worker.jobs.ask(lambda book: book.drop(job.job_key))
    answer = _as_answer(call, body, reply, state)
    is_taken = reply.status < 400
    metered = unanswered(attempt.bound_pico, attempt.sku_price_id) if is_taken else not_billed()
    outcome = Outcome.OK if is_taken else Outcome.CLIENT_ERROR if reply.status < 500 else Outcome.PROVIDER_ERROR
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        answer=answer,
        http_status=reply.status,
        response_bytes=len(body),
        client_status=0 if client.gone else reply.status,
        client_gone_percent=0 if client.gone else -1,
    )
    if client.gone:
        return
    headers = [header for header in reply.headers if header[0] not in NOT_RETURNED]
    headers.append((b"x-bursar-call-id", call.facts.call_id.encode()))
    headers += call.notes
    headers.append((b"x-bursar-cost-quality", metered.quality.encode()))
    body = results_here(body, client.head.headers, upstream_name)
    await client.reply(reply.status, with_length(headers, len(body)), body)


def _as_answer(call: Call, body: bytes, reply: Reply, state: BatchState | None) -> Answer:
    if state is None:
        return read_reply(call.dialect, body, reply.status, reply.headers)
    return Answer(finish_reason=state.status, upstream_id=state.id, complete=True, tier="batch")

"""The way of a realtime session until it is open: as a call's (`pipeline.py`), and then the upgrade on both sides."""

import msgspec
from websockets.protocol import Side

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError, UpgradeRequired
from bursar.gateway.attribute import Attributed
from bursar.gateway.call import Arrival, Worker
from bursar.gateway.choose import choose_upstream
from bursar.gateway.client import Client, with_length
from bursar.gateway.decide import as_attributed
from bursar.gateway.forward import NOT_RETURNED, write_head
from bursar.gateway.heads import Headers
from bursar.gateway.pipeline import admit, attribute_call, judge, read_name
from bursar.gateway.rates import Taken
from bursar.gateway.realtime_books import Books
from bursar.gateway.realtime_session import Session
from bursar.gateway.realtime_turns import Party
from bursar.gateway.settle import end_without_attempt, refuse
from bursar.gateway.websocket import End
from bursar.gateway.websocket_open import Opened, open_upstream, read_offer, switching, with_key_as_header
from bursar.providers.openai_realtime import REALTIME, with_model_in_query


async def serve_session(worker: Worker, client: Client, path: str, upstream_name: str) -> None:
    """Carry one session from its client to a provider and back, each of its responses a call with its money."""
    now_us = worker.clock.now_us()
    arrival = Arrival(worker.ids.new(now_us), now_us, REALTIME, path, upstream_name)
    taken: Taken | None = None
    worker.in_flight += 1
    was_open = False
    try:
        offer = read_offer(client.head)
        if not client.may_switch:
            raise UpgradeRequired("no websocket can be opened over this connection", field="upgrade")
        head = with_key_as_header(client.head)
        arrival.envelope = envelope = worker.envelopes.open(head)  # identify
        arrival.asked = asked = REALTIME.read_query(envelope.query)
        upstream_name, asked = read_name(worker, arrival, asked)
        attributed = attribute_call(envelope, asked)  # attribute
        case = judge(worker, arrival, envelope, asked, attributed)  # decide
        plan = choose_upstream(worker, arrival, envelope, asked.model, upstream_name)
        if case is not None:
            taken = admit(worker, case, plan)
            attributed = as_attributed(case, attributed)
        party = Party(worker, arrival, envelope, of_session(attributed, arrival), case, plan.route, taken)
        upstream_head = write_head(
            plan.route,
            "GET",
            path,
            with_model_in_query(envelope.query, asked.model),
            envelope.headers,
            envelope.credential,
        )
        if known := plan.route.settings.model_names.get(asked.model):
            asked = msgspec.structs.replace(asked, model=known)
        end = End(Side.SERVER, worker.settings.client_stall_s)
        books = Books(party, asked)
        await books.hold()  # what its first response can cost
        try:
            opened = await open_upstream(
                plan.route,
                upstream_head,
                offer.protocols,
                answer_timeout_s=worker.settings.first_byte_timeout_s,
                stall_s=worker.settings.client_stall_s,
            )
        except BaseException:
            books.give_up()
            raise
        if opened.end is None:
            books.give_up()
            await pass_refusal_on(worker, arrival, client, opened)
        elif not client.switch(end, switching(offer.accept, opened.protocol, headers_of(arrival, opened))):
            books.give_up()
            opened.end.abort()
            end_without_attempt(worker, arrival, Outcome.ABORTED, "client_gone", 0)
        else:
            was_open = True
            await Session(party, books, head, end, opened.end).run()
            if not books.had_turns:
                end_without_attempt(worker, arrival, Outcome.OK, "", 101)
    except BursarError as error:
        await refuse(worker, arrival, client, error, was_sent=was_open)
    finally:
        worker.in_flight -= 1
        if taken is not None:
            taken.release(was_sent=was_open)


def of_session(attributed: Attributed, arrival: Arrival) -> Attributed:
    """All that the session costs is found under one name: the one it was given, else its own id."""
    if attributed.attribution.session:
        return attributed
    own = msgspec.structs.replace(attributed.attribution, session=arrival.call_id)
    return msgspec.structs.replace(attributed, attribution=own)


async def pass_refusal_on(worker: Worker, arrival: Arrival, client: Client, opened: Opened) -> None:
    """The provider refused the upgrade: its answer goes back as it came, and nothing was billed."""
    outcome = Outcome.CLIENT_ERROR if opened.status < 500 else Outcome.PROVIDER_ERROR
    code = REALTIME.read_answer(opened.body, opened.status).error_code
    end_without_attempt(worker, arrival, outcome, code, opened.status)
    await client.reply(opened.status, with_length(headers_of(arrival, opened), len(opened.body)), opened.body)


def headers_of(arrival: Arrival, opened: Opened) -> Headers:
    """The provider's headers but for the hop-by-hop ones, and the session's id."""
    headers = [header for header in opened.headers if header[0] not in NOT_RETURNED]
    return [*headers, (b"x-bursar-call-id", arrival.call_id.encode())]

"""A realtime session under way: messages pass both ways as they came, and each is looked at before it goes on."""

import asyncio
import time

import msgspec
from websockets.frames import CloseCode

from bursar.domain.charge import Outcome
from bursar.domain.errors import BursarError, UpstreamBroken
from bursar.gateway.heads import Head
from bursar.gateway.realtime_books import Books
from bursar.gateway.realtime_turns import Party
from bursar.gateway.websocket import Closing, End, text_of
from bursar.providers.openai_realtime import error_event

LOOK_EVERY_S = 0.25  # at kills and keys, beside the worker's own look at their file
DRAIN_S_MAX = 5.0  # for the ends of responses that were cancelled because their client left
CANCEL = b'{"type":"response.cancel"}'


class Session:
    """One session: two ends, and what is held and open of it."""

    def __init__(self, party: Party, books: Books, head: Head, client: End, upstream: End) -> None:
        self._party = party
        self._books = books
        self._head = head
        self._client = client
        self._upstream = upstream
        self._envelope = party.envelope  # as the keys and controls were that said yes last
        self._turn_of = asyncio.Lock()  # one message at a time changes what is held
        self._cancelled: set[str] = set()

    async def run(self) -> None:
        """Until one of the two leaves or the session is ended here. Whatever happens, all that began is settled."""
        pumps = [
            asyncio.create_task(self._pump_client()),
            asyncio.create_task(self._pump_upstream()),
            asyncio.create_task(self._watch()),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await self._leave(pumps)
        finally:
            await self._settle(pumps, Outcome.ABORTED, "worker_stopped")
            self._client.abort()
            self._upstream.abort()

    # -- the ways of messages --------------------------------------------------------------------------------------

    async def _pump_client(self) -> None:
        while (message := await self._client.receive()) is not None:
            async with self._turn_of:
                await self._books.client_says(text_of(message))
            if not await self._upstream.send(message):
                return

    async def _pump_upstream(self) -> None:
        while (message := await self._upstream.receive()) is not None:
            async with self._turn_of:
                await self._books.upstream_says(text_of(message))
            if not self._books.is_told:
                self._cancel_all()
            elif not await self._client.send(message):
                return
            if self._books.is_told and self._books.refusal is not None:
                raise self._books.refusal

    async def _watch(self) -> None:
        """Ends when the session must: a kill, a revoked key, a worker that stops."""
        while not self._party.worker.is_draining:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            self._client.keep_alive(now)
            self._upstream.keep_alive(now)
            self._look_at_controls()

    def _look_at_controls(self) -> None:
        """Raises Killed, PolicyRule, KeyRevoked or Unauthenticated once they say no to this session."""
        party = self._party
        worker, arrival = party.worker, party.arrival
        envelope = worker.envelopes.open(self._head)
        if envelope is self._envelope:
            return
        self._envelope = envelope
        now_us, upstream = worker.clock.now_us(), party.route.settings
        asked = self._books.asked
        case = worker.decider.judge(
            envelope.credential, party.attributed.attribution, asked, arrival.dialect.operation, 0, now_us
        )
        if case is not None:
            worker.decider.reconsider(case, asked.model, upstream.provider, upstream.region, now_us)

    async def _leave(self, pumps: list[asyncio.Task[None]]) -> None:
        """Tell the one that is left how the session ends, and settle what was under way."""
        client, upstream = self._client, self._upstream
        errors = [pump.exception() for pump in pumps if pump.done() and not pump.cancelled()]
        error = next((one for one in errors if one is not None), None)
        pumps[0].cancel()  # what the client still says goes nowhere
        if isinstance(error, BursarError):
            self._books.let_go()  # before the client hears it: its next session finds that free
            client.send_text(error_event(error, self._event_id(), ""))
            goodbye = Closing(CloseCode.POLICY_VIOLATION, f"{error.code}: {error.message}")
            await self._part(pumps, error.code, goodbye, Closing(CloseCode.NORMAL_CLOSURE, ""))
        elif error is not None:
            raise error
        elif pumps[2].done():
            goodbye = Closing(CloseCode.GOING_AWAY, "this worker is stopping: connect again")
            await self._part(pumps, "worker_stopped", goodbye, Closing(CloseCode.GOING_AWAY, ""))
        elif (said := client.closing) is not None:
            self._books.let_go()
            passed = said if said.is_clean else Closing(CloseCode.GOING_AWAY, "")  # a line that broke: it left
            await self._part(pumps, "client_gone", said, passed)
        else:
            await asyncio.wait([pumps[1]], timeout=DRAIN_S_MAX)  # what came before its end
            await self._settle(pumps, Outcome.PROVIDER_ERROR, "stream_cut")
            said = upstream.closing or Closing(CloseCode.ABNORMAL_CLOSURE, "")
            if not said.is_clean:
                broken = UpstreamBroken(f"{self._party.route.origin} broke the session off")
                client.send_text(error_event(broken, self._event_id(), ""))
                said = Closing(CloseCode.INTERNAL_ERROR, broken.code)
            await asyncio.gather(client.close(*said), upstream.close(CloseCode.NORMAL_CLOSURE))

    async def _part(self, pumps: list[asyncio.Task[None]], code: str, to_client: Closing, to_upstream: Closing) -> None:
        """The client leaves or is sent away at once, the provider when it has told what that cost."""
        closing = asyncio.create_task(self._client.close(*to_client))
        await self._hear_out(pumps)
        await self._settle(pumps, Outcome.ABORTED, code)
        await asyncio.gather(closing, self._upstream.close(*to_upstream))

    async def _settle(self, pumps: list[asyncio.Task[None]], outcome: Outcome, code: str) -> None:
        """Nothing is heard any more, and what is open ends as it stands. A second time there is nothing open."""
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._books.settle_rest(outcome, code, is_told=self._books.is_told)

    async def _hear_out(self, pumps: list[asyncio.Task[None]]) -> None:
        """Nobody is left to hear the responses under way: cancel them, and wait a moment for what they cost."""
        books = self._books
        books.is_told, books.refusal = False, None
        draining = pumps[1]
        if draining.done() and self._upstream.closing is None:  # it ended because of the client
            draining = asyncio.create_task(self._pump_upstream())
            pumps.append(draining)
        self._cancel_all()
        if books.asked_for:
            self._upstream.send_text(CANCEL)
        until = time.monotonic() + min(DRAIN_S_MAX, self._party.worker.settings.drain_after_hangup_s)
        while books.is_busy and not draining.done() and time.monotonic() < until:
            await asyncio.wait([draining], timeout=0.02)

    def _cancel_all(self) -> None:
        """Whatever is being answered, nobody will hear it: what was made of it until now is told and billed."""
        for response_id in self._books.open.keys() - self._cancelled:
            self._cancelled.add(response_id)
            self._upstream.send_text(msgspec.json.encode({"type": "response.cancel", "response_id": response_id}))

    def _event_id(self) -> str:
        return "event_" + self._party.arrival.call_id.replace("-", "")

"""One request and its answer on the wire, with whatever is to go wrong on the way; posts exactly one log entry."""

import asyncio
import gzip
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.usage import Usage
from bursar.simulate import wire_anthropic, wire_bedrock, wire_google, wire_openai, wire_responses
from bursar.simulate.billing import Bill, LogEntry, Model, cost_pico
from bursar.simulate.faults import SLOW_MS_DEFAULT, Control
from bursar.simulate.http import LAST_CHUNK, Connection, Request, chunk
from bursar.simulate.plan import Plan
from bursar.simulate.wire_openai import Event

DRIP_BYTES = 7
WRONG_LENGTH_EXTRA = 64
UNCUT = 1 << 60
NOTHING = Usage()


class Dialect(NamedTuple):
    """How one endpoint writes its answers. events: None where it has no streams; counts: what its headers say."""

    name: str
    body: Callable[[Plan], bytes]
    events: Callable[[Plan], list[Event]] | None
    stream_type: str = "text/event-stream; charset=utf-8"
    counts: Callable[[Plan], list[tuple[str, str]]] | None = None

    @property
    def is_anthropic(self) -> bool:
        return self.name.startswith("anthropic")

    @property
    def is_google(self) -> bool:
        return self.name.startswith("gemini")

    @property
    def is_bedrock(self) -> bool:
        return self.name.startswith("bedrock")


class Exchange:
    """Serves one planned answer.

    entry: filled in as things happen and posted once, before the last byte goes out.
    """

    def __init__(self, connection: Connection, request: Request, entry: LogEntry, bill: Bill, clock: Clock) -> None:
        self.connection = connection
        self.request = request
        self.entry = entry
        self._bill = bill
        self._clock = clock
        self._posted = False

    def post(self, *, status: int, completed: bool, billed: bool, usage: Usage = NOTHING, cost: int | None = 0) -> None:
        """Write the entry; later calls do nothing."""
        if self._posted:
            return
        self._posted = True
        entry = self.entry
        entry.status, entry.completed, entry.billed = status, completed, billed
        entry.usage, entry.cost_pico, entry.ended_us = usage, cost, self._clock.now_us()
        self._bill.post(entry)

    def refuse(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        """A plain answer that costs nothing: an error, a list of models, a count of tokens."""
        connection = self.connection
        self.post(status=status, completed=True, billed=False)
        connection.write(connection.head(status, headers, length=len(body)) + body)
        connection.finish()

    def respond(self, dialect: Dialect, plan: Plan, model: Model | None, headers: list[tuple[str, str]]) -> None:
        """The plain answer without faults or pauses, in one write."""
        body = dialect.body(plan)
        connection = self.connection
        self._bill_whole(plan, model)
        connection.write(connection.head(200, headers, length=len(body)) + body)
        connection.finish()

    async def perform(
        self, dialect: Dialect, plan: Plan, model: Model | None, control: Control, headers: list[tuple[str, str]]
    ) -> None:
        """The answer that needs time, is streamed, or goes wrong."""
        try:
            delay_ms = control.delay_ms
            if delay_ms is None:
                delay_ms = SLOW_MS_DEFAULT if control.fault == "slow" else 0
            if delay_ms:
                await asyncio.sleep(delay_ms / 1000)
            if plan.ask is not None and plan.ask.stream and dialect.events is not None:
                await self._stream(dialect, dialect.events(plan), plan, model, control, headers)
            else:
                await self._plain(dialect, plan, model, control, headers)
        finally:  # the client left while we waited: what was generated until then is billed, here nothing but the input
            self._bill_part(plan, model, 0)

    async def _plain(
        self, dialect: Dialect, plan: Plan, model: Model | None, control: Control, headers: list[tuple[str, str]]
    ) -> None:
        connection, fault = self.connection, control.fault
        body = {"garbage": b"<html>upstream connect error</html>", "empty": b""}.get(fault)
        body = dialect.body(plan) if body is None else body
        if control.gzip and "gzip" in self.request.headers.get("accept-encoding", ""):
            body, headers = gzip.compress(body, 1), [*headers, ("content-encoding", "gzip")]
        if fault in ("cut", "stall", "wrong_length"):
            whole = len(body) if fault != "wrong_length" else len(body) + WRONG_LENGTH_EXTRA
            part = body if fault == "wrong_length" else body[: len(body) // 2]
            self._bill_part(plan, model, plan.usage.output)
            connection.write(connection.head(200, headers, length=whole) + part)
            await self._break_off(control)
        elif fault == "until_close":
            self._bill_whole(plan, model)
            connection.write(connection.head(200, headers, length=-1) + body)
            connection.finish()
        elif fault == "drip":
            await self._drip(connection.head(200, headers, length=len(body)) + body, plan, model)
            connection.finish()
        else:
            self._bill_whole(plan, model)
            connection.write(connection.head(200, headers, length=len(body)) + body)
            connection.finish()

    async def _stream(
        self,
        dialect: Dialect,
        events: list[Event],
        plan: Plan,
        model: Model | None,
        control: Control,
        headers: list[tuple[str, str]],
    ) -> None:
        connection, fault = self.connection, control.fault
        breaks = fault in ("cut", "stall", "error_event", "wrong_length")
        after = min(control.after, len(events) - 1) if breaks else UNCUT
        until_close = fault == "until_close"
        wrap = (lambda data: data) if until_close else chunk
        interval_s = (control.interval_ms or 0) / 1000
        length = -1 if until_close else None
        connection.write(connection.head(200, headers, length=length, content_type=dialect.stream_type))
        sent = 0
        try:
            for number, event in enumerate(events):
                if number == after:
                    await self._fail(dialect, plan, model, control, event, sent)
                    return
                if interval_s and number:
                    await asyncio.sleep(interval_s)
                await connection.drained()
                if connection.gone:
                    return
                sent = event.output_tokens
                if number == len(events) - 1:
                    self._bill_whole(plan, model)
                if fault == "drip":
                    await self._drip(wrap(event.data), plan, None)
                else:
                    connection.write(wrap(event.data))
        finally:
            self._bill_part(plan, model, sent)
        if not until_close:
            connection.write(LAST_CHUNK)
        connection.finish()

    async def _fail(
        self, dialect: Dialect, plan: Plan, model: Model | None, control: Control, event: Event, sent: int
    ) -> None:
        """Break a stream off where `event` was due."""
        connection = self.connection
        self._bill_part(plan, model, sent)
        if control.fault == "error_event":
            if dialect.is_anthropic:
                data = wire_anthropic.error_event(plan.request_id)
            elif dialect.is_google:
                data = wire_google.error_event(is_array=dialect.stream_type.startswith("application/json"))
            elif dialect.is_bedrock:
                data = wire_bedrock.error_event()
            elif dialect.name == "openai-responses":
                data = wire_responses.error_event(plan, control.after)
            else:
                data = wire_openai.error_event(plan.request_id)
            connection.write(chunk(data) + LAST_CHUNK)
            connection.finish()
            return
        if control.fault == "wrong_length":
            connection.write(b"%x\r\n%b" % (len(event.data) + WRONG_LENGTH_EXTRA, event.data))
        elif control.fault == "cut":
            half = event.data[: len(event.data) // 2]
            connection.write(chunk(half))
        await self._break_off(control)

    async def _break_off(self, control: Control) -> None:
        if control.fault == "stall":
            await asyncio.sleep(control.stall_s)
        self.connection.close()

    async def _drip(self, data: bytes, plan: Plan, model: Model | None) -> None:
        """A few bytes per write, with a turn of the loop in between so that they leave apart."""
        for at in range(0, len(data), DRIP_BYTES):
            if at + DRIP_BYTES >= len(data) and model is not None:
                self._bill_whole(plan, model)
            self.connection.write(data[at : at + DRIP_BYTES])
            await asyncio.sleep(0)

    def _bill_whole(self, plan: Plan, model: Model | None) -> None:
        cost = cost_pico(model, plan.usage, plan.tier) if model is not None else None
        self.post(status=200, completed=True, usage=plan.usage, cost=cost, billed=True)

    def _bill_part(self, plan: Plan, model: Model | None, output_tokens: int) -> None:
        """What was generated before the answer broke off is billed all the same."""
        if self._posted:
            return
        reasoning = min(plan.usage.reasoning, output_tokens)
        usage = msgspec.structs.replace(plan.usage, output=output_tokens, reasoning=reasoning)
        cost = cost_pico(model, usage, plan.tier) if model is not None else None
        self.post(status=200, completed=False, usage=usage, cost=cost, billed=True)

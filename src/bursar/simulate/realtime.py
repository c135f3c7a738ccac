"""A realtime session of the simulated provider: it hears sound, answers in text or sound, bills each response, breaks.

What it takes for speech: any byte that isn't zero; 200 ms of zeros behind it are the end of it.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SEND_EOF, Protocol, Side
from websockets.utils import accept_key

from bursar.domain.usage import Usage
from bursar.simulate import wire_openai
from bursar.simulate import wire_realtime as wire
from bursar.simulate.billing import Model, cost_pico
from bursar.simulate.exchange import Dialect, Exchange
from bursar.simulate.faults import Control, read_control
from bursar.simulate.heads import key_of
from bursar.simulate.http import Connection, Request
from bursar.simulate.tokens import answer_text, tokens_in

PATH = "/v1/realtime"
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
SILENCE_BYTES = 9600  # 200 ms
CHUNKS_DEFAULT = 5
OUTPUT_DEFAULT = 40
SOUND_DEFAULT = 60
CACHED_STEP = 64
MODEL_BY_TIME = "whisper-1"

New = Callable[[], Exchange]
"""A fresh row of the log; its `post` writes it once."""


def switching(request: Request) -> bytes:
    """The answer to an upgrade; of the subprotocols offered it chooses `realtime`."""
    accept = accept_key(request.headers.get("sec-websocket-key", ""))
    offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",")]
    chosen = "sec-websocket-protocol: realtime\r\n" if "realtime" in offered else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-accept: {accept}\r\nx-request-id: {request.headers.get('x-request-id', 'req_realtime')}\r\n"
        f"{chosen}\r\n"
    ).encode()


class Session:
    """One session."""

    def __init__(self, connection: Connection, model: str, priced: Model | None, control: Control, new: New) -> None:
        self._connection = connection
        self._frames = Protocol(Side.SERVER, state=OPEN, max_size=MESSAGE_BYTES_MAX, logger=_QUIET)
        self._model = priced
        self._control = control
        self._new = new
        self._settings = wire.session("sess_sim", model)
        self._message = b""
        self._count = 0  # ids
        self._sound = bytearray()  # not committed
        self._is_speech = False
        self._text_bytes = self._sound_bytes = 0  # of the conversation
        self._read_before = 0  # input tokens of the last response
        self._answering: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._is_over = False

    def begin(self) -> None:
        self._say({"type": "session.created", "session": self._settings})

    # -- the wire --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the client."""
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            frame = cast(Frame, event)
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._message += frame.data
                if frame.fin:
                    message, self._message = self._message, b""
                    self._hear(message)
            elif frame.opcode is Opcode.CLOSE:
                self.lost()
        self._flush()

    def lost(self) -> None:
        """The client left: the provider stops generating."""
        self._is_over = True
        if self._answering is not None:
            self._answering.cancel()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye first, as at the end of an hour."""
        if self._frames.state is OPEN:
            self._frames.send_close(code, reason)
            self._flush()

    def _say(self, event: dict[str, Any]) -> None:
        if self._is_over or self._frames.state is not OPEN:
            return
        self._count += 1
        self._frames.send_text(msgspec.json.encode({"event_id": f"event_{self._count}", **event}))
        self._flush()

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if data is SEND_EOF or not data:
                self._connection.close()
            else:
                self._connection.write(data)

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count:06d}"

    # -- what a client says ----------------------------------------------------------------------------------------

    def _hear(self, message: bytes) -> None:
        try:
            event = msgspec.json.decode(message)
            kind, about = str(event["type"]), event.get("event_id")
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            self._say(wire.error("The event could not be read.", None, code="invalid_event"))
            return
        if kind == "session.update":
            self._settings = wire.merged(self._settings, event.get("session") or {})
            self._say({"type": "session.updated", "session": self._settings})
        elif kind == "conversation.item.create":
            self._text_bytes += len(msgspec.json.encode(event.get("item")))
            item = {"id": self._id("item"), "object": "realtime.item", "status": "completed", **event.get("item", {})}
            self._say({"type": "conversation.item.added", "previous_item_id": None, "item": item})
            self._say({"type": "conversation.item.done", "previous_item_id": None, "item": item})
        elif kind == "input_audio_buffer.append":
            self._append(event.get("audio"), about)
        elif kind == "input_audio_buffer.commit":
            if self._sound:
                self._commit()
            else:
                self._say(wire.error("The buffer is empty.", about, code="input_audio_buffer_commit_empty"))
        elif kind == "input_audio_buffer.clear":
            self._sound = bytearray()
            self._say({"type": "input_audio_buffer.cleared"})
        elif kind == "response.create":
            self._respond(event.get("response") or {}, about)
        elif kind == "response.cancel":
            if self._answering is None:
                self._say(wire.error("There is no active response.", about, code="response_cancel_not_active"))
            self._is_cancelled = self._answering is not None
        else:
            self._say(wire.error(f"Invalid value: '{kind}'.", about))

    def _append(self, audio: Any, about: str | None) -> None:
        try:
            sound = base64.b64decode(audio, validate=True)
        except (TypeError, ValueError, binascii.Error):
            self._say(wire.error("Invalid 'audio'.", about))
            return
        self._sound += sound
        detection = self._settings["audio"]["input"]["turn_detection"]
        if not detection:
            return
        if not self._is_speech and any(sound):
            self._is_speech = True
            self._say({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": self._id("item")})
        if self._is_speech and not any(self._sound[-SILENCE_BYTES:]):
            self._is_speech = False
            self._say({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": self._id("item")})
            self._commit()
            if detection.get("create_response", True):
                self._respond({}, None)

    def _commit(self) -> None:
        item_id, sound, self._sound = self._id("item"), len(self._sound), bytearray()
        self._sound_bytes += sound
        self._say({"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": item_id})
        item = wire.message_item(item_id, [{"type": "input_audio", "transcript": None}])
        self._say({"type": "conversation.item.added", "previous_item_id": None, "item": item})
        writer = self._settings["audio"]["input"]["transcription"]
        if writer:
            self._transcribe(item_id, str(writer.get("model")), sound)

    def _transcribe(self, item_id: str, model: str, sound: int) -> None:
        tokens, out = max(1, sound // wire.IN_BYTES_PER_TOKEN), 9
        by_time = model == MODEL_BY_TIME
        written = self._new()
        entry = written.entry
        entry.dialect, entry.model_asked, entry.model_served = "openai-realtime-transcription", model, model
        used = Usage() if by_time else Usage(input_audio=tokens, output=out)
        written.post(status=200, completed=True, billed=True, usage=used, cost=None)
        text = "the refund was posted"
        self._say(
            wire.transcription_by_time(item_id, text, tokens / 10)
            if by_time
            else wire.transcription(item_id, text, tokens, out)
        )

    # -- answers ---------------------------------------------------------------------------------------------------

    def _respond(self, asked: dict[str, Any], about: str | None) -> None:
        if self._answering is not None:
            code = "conversation_already_has_active_response"
            self._say(wire.error("Conversation already has an active response in progress.", about, code=code))
            return
        self._is_cancelled = False
        self._answering = asyncio.get_running_loop().create_task(self._answer(asked))
        self._answering.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering = None
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _answer(self, asked: dict[str, Any]) -> None:
        control = self._control
        written = self._new()
        entry = written.entry
        entry.answer_id = response_id = self._id("resp")
        entry.model_asked = entry.model_served = self._settings["model"]
        if asked.get("input"):
            self._text_bytes += len(msgspec.json.encode(asked["input"]))
        conversation = None if asked.get("conversation") == "none" else "conv_sim"
        modalities = asked.get("output_modalities") or self._settings["output_modalities"]
        sound = control.sound if control.sound is not None else SOUND_DEFAULT
        sound = sound if "audio" in modalities else 0
        text = control.output if control.output is not None else OUTPUT_DEFAULT
        limit: Any = asked.get("max_output_tokens", self._settings["max_output_tokens"])
        is_cut_short = False
        if isinstance(limit, int) and text + sound > limit:
            is_cut_short = True
            text, sound = (limit - limit // 2, limit // 2) if sound else (limit, 0)
        read = self._read()
        chunks = control.chunks or CHUNKS_DEFAULT
        whole = control.text if control.text is not None else answer_text(text, 0)
        step = max(1, -(-len(whole) // chunks))
        pieces = [whole[at : at + step] for at in range(0, len(whole), step)] or [""]
        made = (0, 0)
        status, reason = "completed", ""
        try:
            await asyncio.sleep((control.delay_ms or 0) / 1000)
            self._say({"type": "response.created", "response": wire.response(response_id, conversation, "in_progress")})
            for number, said in enumerate(wire.answer(response_id, self._id("item"), pieces, text, sound)):
                await asyncio.sleep((control.interval_ms or 0) / 1000)
                await self._connection.drained()
                if self._is_cancelled:
                    status, reason = "cancelled", "client_cancelled"
                    break
                if control.fault in ("cut", "stall") and number == control.after:
                    if control.fault == "stall":
                        await asyncio.sleep(control.stall_s)
                    self._break_off()
                    return
                self._say(said.event)
                made = (said.text, said.sound)
            if is_cut_short and status == "completed":
                status, reason = "incomplete", "max_output_tokens"
            used = msgspec.structs.replace(read, output=made[0], output_audio=made[1])
            told = wire.response(response_id, conversation, status, reason)
            if control.fault != "no_usage":
                told["usage"] = wire.usage(used)
            self._read_before = used.total_input
            self._text_bytes += len(whole.encode())
            self._bill(written, used, completed=True)
            self._say({"type": "response.done", "response": told})
        finally:
            self._bill(written, msgspec.structs.replace(read, output=made[0], output_audio=made[1]), completed=False)

    def _read(self) -> Usage:
        """What a response reads: all that was said, and of that what the last one read comes from the cache."""
        control = self._control
        text = tokens_in(self._text_bytes + len(self._settings["instructions"]))
        sound = self._sound_bytes // wire.IN_BYTES_PER_TOKEN
        text = control.input if control.input is not None else text
        cached = control.cached if control.cached is not None else self._read_before // CACHED_STEP * CACHED_STEP
        cached_text = min(cached, text)
        cached_sound = min(cached - cached_text, sound)
        return Usage(
            input=text - cached_text,
            cache_read=cached_text,
            input_audio=sound - cached_sound,
            cache_read_audio=cached_sound,
        )

    def _bill(self, written: Exchange, used: Usage, *, completed: bool) -> None:
        cost = cost_pico(self._model, used) if self._model is not None else None
        written.post(status=200, completed=completed, billed=True, usage=used, cost=cost)

    def _break_off(self) -> None:
        """In the middle of a frame, without a goodbye."""
        self._connection.write(b"\x81\x7e\x01\x00half a frame")
        self._is_over = True
        self._connection.close()


def open_session(
    connection: Connection,
    request: Request,
    models: dict[str, Model],
    exchange: Callable[[Connection, Request, Dialect], Exchange],
) -> None:
    """Answer an upgrade: with a session, or with what the request demands to go wrong."""
    control = read_control(request.headers.get("x-sim", ""), None, "", "")
    if control.fault == "reset":
        connection.reset()
        return
    key = key_of(request)
    if status := control.status or (0 if key else 401):
        body = wire_openai.error(status, "The simulator was told to fail" if key else "Incorrect API key provided")
        connection.write(connection.head(status, [], length=len(body)) + body)
        connection.finish()
        return

    def new() -> Exchange:
        written = exchange(connection, request, _DIALECT)
        entry = written.entry
        entry.stream, entry.label, entry.fault = True, control.label, control.fault
        return written

    model = parse_qs(request.query).get("model", [""])[0]
    session = Session(connection, model, models.get(model), control, new)
    connection.write(switching(request))
    connection.switch(session)
    session.begin()


_DIALECT = Dialect("openai-realtime", wire_openai.chat, None)  # for its name in the log
_QUIET = logging.getLogger("bursar.simulate.websocket")
_QUIET.setLevel(logging.CRITICAL)

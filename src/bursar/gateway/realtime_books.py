"""What the messages of a realtime session mean for its money: what is held, what is open, what is settled."""

from collections import deque
from collections.abc import Coroutine
from typing import Any

import msgspec

from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.errors import BursarError, Overloaded
from bursar.gateway.doubles import has_controls, refuse_doubles
from bursar.gateway.meter import UNKNOWN, not_billed, unanswered
from bursar.gateway.realtime_turns import (
    TRANSCRIPT_TOKENS_MAX,
    TURNS_MAX,
    Context,
    Party,
    Slot,
    Turn,
    dispatch,
    end,
    end_cut,
    end_reported,
    price,
    unheld,
    window_of,
)
from bursar.providers.openai_realtime import (
    OUTPUT_TOKENS_MAX,
    ServerEvent,
    output_limit_of,
    read_client_event,
    read_done,
    read_error,
    read_server_event,
    read_session,
    read_transcription,
    response_id_of,
    sound_bytes,
)
from bursar.providers.values import Asked

SOUND_DELTAS = frozenset({"response.output_audio.delta", "response.audio.delta"})
TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.function_call_arguments.delta",
    }
)
SPEECH = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.timeout_triggered",
    }
)
"""After these the provider may begin a response by itself."""


class Books:
    """One session's. is_told: the client is there to hear what comes; without it, nothing new is held for.

    refusal: of a budget or a rule, to be told behind the message that is being passed on.
    had_turns: something of it stands in the journal.
    """

    def __init__(self, party: Party, asked: Asked) -> None:
        self.asked = asked
        self.is_told = True
        self.refusal: BursarError | None = None
        self.had_turns = False
        self.open: dict[str, Turn] = {}
        self.asked_for: deque[Turn] = deque()  # a `response.create` went out, and no response began yet
        self._party = party
        self._window = window_of(party, asked.model)
        self._context = Context(self._window)
        self._answers = Slot(party, asked, Operation.REALTIME, OUTPUT_TOKENS_MAX)
        self._heard: Slot | None = None
        self._transcribed: dict[str, Turn] = {}
        self._answers_by_itself = True  # until the provider says otherwise
        self._answers_when_idle = False
        self._may_answer = False  # it heard something, and no response began since
        self._served = ""

    async def hold(self) -> None:
        """Hold for the first response. Raises what a budget refuses with."""
        await self._answers.cover(self._context.tokens, self._window)

    def give_up(self) -> None:
        """The session never opened: what was held for it is free again."""
        self._answers.drop()

    async def client_says(self, text: bytes) -> None:
        """Before a message goes to the provider: what it may begin there is held and written down."""
        if has_controls(self._party.worker, ""):
            refuse_doubles(text)  # two types, or two limits: what it begins would be in doubt
        event = read_client_event(text)
        kind = event.type
        sound = sound_bytes(event.audio) if kind == "input_audio_buffer.append" else 0
        self._context.add(0 if sound else len(text), sound)
        if kind == "session.update":
            await self._use_settings(event.session, confirmed=False)
        output_max = (output_limit_of(event) or 0) if kind == "response.create" else 0
        await self._cover(output_max)
        if sound:
            self._arm()
        if kind == "response.create":
            if len(self.open) + len(self.asked_for) >= TURNS_MAX:
                raise Overloaded(f"{TURNS_MAX} responses of one session are under way")
            if self._answers.is_armed:  # that one may begin by itself, beside this one
                turn: Turn | None = await self._answers.another(self._context.tokens, self._window, output_max)
            else:
                turn = self._answers.pull()
            if turn is not None:
                turn.event_id = event.event_id or ""
                dispatch(self._party, turn)
                self.asked_for.append(turn)
                self.had_turns = True

    def _arm(self) -> None:
        """Sound goes to the provider: what that may begin stands in the journal."""
        if self._answers_by_itself:
            self._answers.arm()
            self.had_turns = True
        if self._heard is not None:
            self._heard.arm()
            self.had_turns = True

    async def upstream_says(self, text: bytes) -> None:
        """Before a message goes to the client: what it says of money is in the journal."""
        event = read_server_event(text)
        kind = event.type or ""
        if kind in SOUND_DELTAS:
            if (turn := self.open.get(event.response_id or "")) is not None:
                turn.made_sound += sound_bytes(event.delta)
        elif kind in TEXT_DELTAS:
            if (turn := self.open.get(event.response_id or "")) is not None:
                turn.made_text += max(0, len(bytes(event.delta)) - 2)
        elif kind == "response.created":
            await self._begun(response_id_of(event))
        elif kind == "response.done":
            await self._done(event)
        elif kind in ("session.created", "session.updated"):
            await self._told(self._use_settings(event.session, confirmed=True))
        elif kind in SPEECH:
            self._may_answer = self._answers_by_itself
            if kind == "input_audio_buffer.committed":
                self._committed(event.item_id or "")
        elif kind.startswith("conversation.item.input_audio_transcription."):
            self._transcription(event, kind.rpartition(".")[2])
        elif kind == "error":
            self._refused(event)

    async def _use_settings(self, session: msgspec.Raw, *, confirmed: bool) -> None:
        """Settings that a client asks for only widen what is held, until the provider confirms them."""
        facts = read_session(session)
        if facts.answers_by_itself is not None and (confirmed or facts.answers_by_itself):
            self._answers_by_itself = facts.answers_by_itself
        if facts.has_idle_timeout is not None and (confirmed or facts.has_idle_timeout):
            self._answers_when_idle = facts.has_idle_timeout
        if facts.output_limit is not None and (confirmed or facts.output_limit > self._answers.output_max):
            self._answers.output_max = facts.output_limit
        if facts.input_is_pcm is not None and (confirmed or not facts.input_is_pcm):
            self._context.is_pcm_in = facts.input_is_pcm
        if confirmed:
            self._served = facts.model or self._served
            if facts.output_is_pcm is not None:
                self._context.is_pcm_out = facts.output_is_pcm
        elif facts.model and facts.model != self._answers.asked.model:
            self._allow(facts.model)
        if facts.transcription:
            await self._transcribe_with(facts.transcription)
        elif facts.transcription == "" and confirmed and self._heard is not None:
            self._heard.drop()
            self._heard = None
        if self._answers_when_idle:
            await self._cover()

    async def _transcribe_with(self, model: str) -> None:
        """A second model works in this session. Raises PolicyRule or Killed, or what a budget refuses with."""
        if self._heard is not None and self._heard.asked.model == model:
            return
        party = self._party
        self._allow(model)
        before = self._heard
        self._heard = Slot(party, Asked(model, stream=True), Operation.TRANSCRIPTION, TRANSCRIPT_TOKENS_MAX)
        await self._heard.cover(self._context.unheard_tokens, self._window)
        if before is not None:
            before.drop()

    def _allow(self, model: str) -> None:
        """A model that a session changes to or takes beside its own has to be allowed like any other."""
        party = self._party
        if party.case is not None:
            settings, now_us = party.route.settings, party.worker.clock.now_us()
            party.worker.decider.reconsider(party.case, model, settings.provider, settings.region, now_us)

    async def _cover(self, output_max: int = 0) -> None:
        """Hold for what may begin next. Raises what a budget refuses with."""
        await self._answers.cover(self._context.tokens, self._window, output_max)
        if self._heard is not None:
            await self._heard.cover(self._context.unheard_tokens, self._window)
        if self._answers_when_idle:
            self._answers.arm()

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what may be refused; the refusal is told behind the message that is being passed on."""
        try:
            await work
        except BursarError as error:
            self.refusal = error

    async def _begun(self, response_id: str) -> Turn:
        """A response began: the one that was asked for longest ago, else the one that the provider may begin itself."""
        if self.asked_for:
            turn: Turn | None = self.asked_for.popleft()
        else:
            turn = self._answers.pull()
            self._may_answer = False
        if turn is None:
            try:
                turn = await self._answers.another(self._context.tokens, self._window)
            except BursarError as error:
                self.refusal = error
                asked, tokens = self._answers.asked, self._context.tokens
                turn = unheld(self._party, asked, Operation.REALTIME, tokens, OUTPUT_TOKENS_MAX)
        turn.response_id = response_id
        dispatch(self._party, turn).first_byte_us = self._party.worker.clock.now_us()
        self.had_turns = True
        self.open[response_id] = turn
        return turn

    async def _done(self, event: ServerEvent) -> None:
        """A response ended: its row is settled, and the next one's hold taken, before the client hears of it."""
        done = read_done(event)
        turn = self.open.get(done.response_id) or await self._begun(done.response_id)
        self.open.pop(done.response_id, None)
        done.answer.model = self._served
        seen = self._context.seen_of(turn)
        end_reported(self._party, turn, done.answer, is_free=done.is_free, seen=seen, is_told=self.is_told)
        if not done.is_aside:
            self._context.told(done.answer.usage)
        if self.is_told:
            await self._told(self._cover())

    def _committed(self, item_id: str) -> None:
        """What was said goes to be written down, where a model does that."""
        self._context.heard()
        if self._heard is None or len(self._transcribed) >= TURNS_MAX:
            return
        if (turn := self._heard.pull()) is not None:
            dispatch(self._party, turn)
            self.had_turns = True
            self._transcribed[item_id] = turn

    def _transcription(self, event: ServerEvent, step: str) -> None:
        if step not in ("completed", "failed"):
            return
        turn = self._transcribed.pop(event.item_id or "", None)
        if turn is None:
            asked = self._heard.asked if self._heard is not None else Asked("")
            turn = unheld(self._party, asked, Operation.TRANSCRIPTION, self._window, TRANSCRIPT_TOKENS_MAX)
            self.had_turns = True
        if step == "failed":
            end(self._party, turn, not_billed(), Outcome.PROVIDER_ERROR, error_code="transcription_failed")
            return
        answer = read_transcription(event)
        metered = UNKNOWN if answer.usage is None else price(self._party, turn, answer.usage, Quality.REPORTED)
        end(self._party, turn, metered, Outcome.OK, answer=answer, is_told=self.is_told)

    def _refused(self, event: ServerEvent) -> None:
        """The provider refused an event. If that asked for a response, none will come of it."""
        code, about = read_error(event)
        for turn in self.asked_for:
            if turn.event_id == about:
                self.asked_for.remove(turn)
                end(self._party, turn, not_billed(), Outcome.CLIENT_ERROR, error_code=code or "error")
                return

    @property
    def is_busy(self) -> bool:
        """Whether the provider has yet to tell the end of something."""
        return bool(self.open or self.asked_for or self._transcribed)

    def let_go(self) -> None:
        """Nothing new will be asked for: what is held for that alone is free again."""
        if not (self._may_answer and self._answers.is_armed):
            self._answers.drop()
        if self._heard is not None and not self._heard.is_armed:
            self._heard.drop()

    def settle_rest(self, outcome: Outcome, code: str, *, is_told: bool) -> None:
        """What is still open when the session is over."""
        party = self._party
        rest = [*self.open.values(), *self.asked_for]
        if self._may_answer and self._answers.is_armed and (turn := self._answers.pull()) is not None:
            rest.append(turn)  # somebody spoke, and the answer may have begun
        for turn in rest:
            end_cut(party, turn, self._context.seen_of(turn), outcome, code, is_told=is_told)
        for turn in self._transcribed.values():
            attempt = dispatch(party, turn)
            end(party, turn, unanswered(attempt.bound_pico, attempt.sku_price_id), outcome, error_code=code)
        self._answers.drop()
        if self._heard is not None:
            self._heard.drop()
        self.open.clear()
        self.asked_for.clear()
        self._transcribed.clear()

"""The money of a realtime session: each response, and each transcription beside it, is a call with one attempt.

What could begin at the provider is held against the budgets and stands in the journal before the client's event that
could begin it goes there: a `response.create`, or sound where the provider answers by itself. So kill -9 finds an open
attempt for whatever the provider may be doing, and a budget is never passed: the next response's hold is there before
the last one's end is told.
"""

import msgspec

from bursar.budgets.holds import NOTHING_MET, MarkReached, Met
from bursar.budgets.refusals import unpriced
from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.usage import Usage
from bursar.gateway.attribute import Attributed
from bursar.gateway.bound import bound_at
from bursar.gateway.call import Arrival, Attempt, Call, Worker
from bursar.gateway.case import Case
from bursar.gateway.dispatch import begin
from bursar.gateway.envelope import Envelope
from bursar.gateway.hold import take, touched_by
from bursar.gateway.meter import Metered, not_billed, unanswered
from bursar.gateway.rates import Taken
from bursar.gateway.route import Route
from bursar.gateway.settle import settle
from bursar.gateway.thresholds import act_and_hold
from bursar.providers.base import Answer, Asked
from bursar.providers.openai_realtime import (
    CONTEXT_TOKENS_MAX,
    G711_BYTES_PER_TOKEN,
    G711_BYTES_PER_TOKEN_OUT,
    PCM_BYTES_PER_TOKEN,
    PCM_BYTES_PER_TOKEN_OUT,
)
from bursar.spool.records import CallFacts

AHEAD_TOKENS = 8192
"""What a hold has room for beside what was sent already: 13 minutes of sound, before another must be taken."""

TRANSCRIPT_TOKENS_MAX = 2048
TURNS_MAX = 64  # responses and transcriptions of one session that are under way at a time
NOT_BEGUN = "no_response"  # nothing came of it, and the provider bills nothing for that
BYTES_PER_TEXT_TOKEN = 4


class Party(msgspec.Struct, frozen=True):
    """Whose session it is and where it goes: the same for all its calls."""

    worker: Worker
    arrival: Arrival
    envelope: Envelope
    attributed: Attributed
    case: Case | None
    route: Route
    taken: Taken | None


class Turn(msgspec.Struct):
    """One response or transcription that is held for, and from its dispatch on also stands in the journal.

    covers: input tokens that its hold is for; output_max: the same for output.
    event_id: of the client's `response.create`. made_text, made_sound: bytes that came of it so far.
    """

    call: Call
    covers: int
    output_max: int
    attempt: Attempt | None = None
    response_id: str = ""
    event_id: str = ""
    made_text: int = 0
    made_sound: int = 0


async def prepare(party: Party, asked: Asked, operation: Operation, covers: int, output_max: int) -> Turn:
    """A turn whose cost at most is held against every budget that it touches.

    Raises what a budget refuses with; nothing is held then.
    """
    call = _call(party, asked, operation)
    now_us, worker, envelope = call.facts.received_us, party.worker, party.envelope

    async def hold_turn(worker: Worker, call: Call, envelope: Envelope, attributed: Attributed, met: Met) -> None:
        call.bound = bound = bound_at(worker, call.route, call.asked, covers, output_max, now_us)
        if not len(worker.budgeting.index):
            return
        touching = touched_by(worker, call, envelope, attributed)
        if not touching.budgets or bound.pico == 0:
            return
        if bound.pico is None:
            hard = [one for one in touching.budgets if one.budget.mode != "warn"]
            if hard:
                raise unpriced(hard[0].budget, hard[0].value, call.route.provider, call.asked.model)
            return
        await take(worker, call, touching, bound, met)

    try:
        await hold_turn(worker, call, envelope, party.attributed, NOTHING_MET)
    except MarkReached as reached:
        arrival = msgspec.structs.replace(party.arrival, call_id=call.facts.call_id, received_us=now_us)
        await act_and_hold(worker, call, arrival, envelope, party.attributed, party.case, reached, hold_turn)
    return Turn(call, covers, output_max)


def unheld(party: Party, asked: Asked, operation: Operation, covers: int, output_max: int) -> Turn:
    """A turn that the provider began where no budget has room: it is written down all the same."""
    call = _call(party, asked, operation)
    call.bound = bound_at(party.worker, call.route, asked, covers, output_max, call.facts.received_us)
    return Turn(call, covers, output_max)


def dispatch(party: Party, turn: Turn) -> Attempt:
    """Into the journal: from here on it can't be lost. A second time changes nothing."""
    if turn.attempt is None:
        turn.call.facts = msgspec.structs.replace(turn.call.facts, received_us=party.worker.clock.now_us())
        turn.attempt = begin(party.worker, turn.call, 1, "")
    return turn.attempt


def release(party: Party, turn: Turn) -> None:
    """The turn isn't needed: its hold is given back, and if it stands in the journal it ends there at nothing."""
    if turn.attempt is not None:
        end(party, turn, not_billed(), Outcome.ABORTED, error_code=NOT_BEGUN)
    elif turn.call.holding is not None:
        party.worker.budgeting.settle(turn.call.holding, 0)


def end(
    party: Party,
    turn: Turn,
    metered: Metered,
    outcome: Outcome,
    *,
    answer: Answer | None = None,
    error_code: str = "",
    is_told: bool = True,
) -> None:
    """Settle the turn. is_told: the client is there to hear its end."""
    attempt = dispatch(party, turn)
    settle(
        party.worker,
        turn.call,
        attempt,
        metered,
        outcome,
        answer=answer or Answer(),
        http_status=101,
        error_code=error_code,
        response_bytes=turn.made_text + turn.made_sound,
        client_status=101 if is_told else 0,
        client_gone_percent=-1 if is_told else 0,
    )


def end_reported(party: Party, turn: Turn, answer: Answer, *, is_free: bool, seen: Usage, is_told: bool) -> None:
    """The provider told the end. seen: what we saw of it, where it doesn't tell its usage."""
    outcome = Outcome.TRUNCATED if answer.truncated else Outcome.OK
    if answer.error_code:
        outcome = Outcome.PROVIDER_ERROR
    elif not is_told:
        outcome = Outcome.ABORTED
    if is_free:
        metered = not_billed()
    elif answer.usage is None:
        metered = price(party, turn, seen, Quality.ESTIMATED, answer.model)
    else:
        metered = price(party, turn, answer.usage, Quality.REPORTED, answer.model)
    end(party, turn, metered, outcome, answer=answer, is_told=is_told)


def end_cut(party: Party, turn: Turn, seen: Usage, outcome: Outcome, error_code: str, *, is_told: bool) -> None:
    """The session ended before the turn did: what was seen of it, and of one that nothing was heard of the bound."""
    attempt = dispatch(party, turn)
    if turn.response_id:
        metered = price(party, turn, seen, Quality.ESTIMATED)
    else:
        metered = unanswered(attempt.bound_pico, attempt.sku_price_id)
    end(party, turn, metered, outcome, error_code=error_code, is_told=is_told)


def price(party: Party, turn: Turn, usage: Usage, quality: Quality, served: str = "") -> Metered:
    """A usage at the prices of the turn's model. served: as the provider names it."""
    call = turn.call
    asked, at_us = call.asked.model, call.facts.received_us
    return party.worker.meter.price(usage, quality, call.route.provider, served or asked, asked, "", "", at_us)


def window_of(party: Party, model: str) -> int:
    """What a response can read at most."""
    return party.worker.meter.book.context_tokens(party.route.provider, model) or CONTEXT_TOKENS_MAX


def _call(party: Party, asked: Asked, operation: Operation) -> Call:
    worker, envelope, dialect = party.worker, party.envelope, party.arrival.dialect
    now_us, credential = worker.clock.now_us(), envelope.credential
    facts = CallFacts(
        worker.ids.new(now_us),
        now_us,
        dialect.name,
        operation,
        credential.scope,
        credential.id,
        credential.kind,
        asked.model,
        True,
        0,
        "",
        party.attributed.attribution,
        party.attributed.tags_dropped,
        envelope.client,
    )
    return Call(facts, dialect, asked, party.route, b"", b"", False, "", 0, 1, taken=party.taken)


class Context:
    """How much of the conversation a next response reads: as the last one's usage says, and what was sent since."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.is_pcm_in = self.is_pcm_out = True
        self._base = Usage()
        self._text_bytes = 0
        self._sound_bytes = 0
        self._unheard_bytes = 0  # sound that no transcription was begun of

    def add(self, text_bytes: int, sound_bytes: int) -> None:
        """An event of the client."""
        self._text_bytes += text_bytes
        self._sound_bytes += sound_bytes
        self._unheard_bytes += sound_bytes

    def told(self, usage: Usage | None) -> None:
        """A response ended: all that it read and said is what the next one starts from."""
        if usage is not None and usage.total_input:
            self._base, self._text_bytes, self._sound_bytes = usage, 0, 0

    def heard(self) -> None:
        self._unheard_bytes = 0

    @property
    def tokens(self) -> int:
        """Input tokens of a response that would begin now, at most: a token is at least one byte of text."""
        since = self._text_bytes + self.sound_tokens(self._sound_bytes)
        return min(self.window, self._base.total_input + self._base.total_output + since)

    @property
    def unheard_tokens(self) -> int:
        return self.sound_tokens(self._unheard_bytes)

    def sound_tokens(self, size: int) -> int:
        return -(-size // (PCM_BYTES_PER_TOKEN if self.is_pcm_in else G711_BYTES_PER_TOKEN))

    def seen_of(self, turn: Turn) -> Usage:
        """What a response that wasn't told about has used, as far as can be seen. All of it uncached."""
        base = self._base
        text = base.input + base.cache_read + base.output + self._text_bytes // BYTES_PER_TEXT_TOKEN
        sound = base.input_audio + base.cache_read_audio + base.output_audio + self.sound_tokens(self._sound_bytes)
        sound = min(sound, self.window)
        return Usage(
            input=max(1, min(text, self.window - sound)),
            input_audio=sound,
            input_image=min(base.input_image, max(0, self.window - sound - text)),
            output=turn.made_text // BYTES_PER_TEXT_TOKEN,
            output_audio=-(
                -turn.made_sound // (PCM_BYTES_PER_TOKEN_OUT if self.is_pcm_out else G711_BYTES_PER_TOKEN_OUT)
            ),
        )


class Slot:
    """The turn that may begin next, of one kind: there while the kind can be, large enough for what was sent."""

    def __init__(self, party: Party, asked: Asked, operation: Operation, output_max: int) -> None:
        self.asked = asked
        self.output_max = output_max
        self._party = party
        self._operation = operation
        self._turn: Turn | None = None

    async def cover(self, tokens: int, window: int, output_max: int = 0) -> None:
        """Hold for a next turn with so much input and output, unless that is held. Raises what a budget refuses with.

        What may have begun stays held until the larger hold is there; what can't have is given back first.
        """
        output_max = max(self.output_max, output_max)
        turn = self._turn
        if turn is not None and turn.covers >= min(tokens, window) and turn.output_max >= output_max:
            return
        if not self.is_armed:
            self.drop()
        larger = await self.another(tokens, window, output_max)
        if turn is not None and self.is_armed:
            dispatch(self._party, larger)
            release(self._party, turn)
        self._turn = larger

    async def another(self, tokens: int, window: int, output_max: int = 0) -> Turn:
        """A turn beside the next one. Raises what a budget refuses with."""
        covers = min(tokens + AHEAD_TOKENS, window)
        return await prepare(self._party, self.asked, self._operation, covers, max(self.output_max, output_max))

    def arm(self) -> None:
        """The next turn may begin at any time now: it stands in the journal."""
        if self._turn is not None:
            dispatch(self._party, self._turn)

    def pull(self) -> Turn | None:
        """The turn has begun: whoever has it settles it."""
        turn, self._turn = self._turn, None
        return turn

    @property
    def is_armed(self) -> bool:
        return self._turn is not None and self._turn.attempt is not None

    def drop(self) -> None:
        """Nothing of this kind will begin any more."""
        if (turn := self.pull()) is not None:
            release(self._party, turn)

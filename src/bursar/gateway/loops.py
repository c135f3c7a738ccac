"""The loop breaker: sees that calls go round in circles, and refuses them before they are sent (law 6).

Each call is judged when it arrives and counted when it has ended, in memory that all workers of the node share, so a
loop is cut by the call that makes it one, whichever worker that comes to. No clock, no file: `loop_watch.py` has those.
"""

import struct

import msgspec
from xxhash import xxh3_64_intdigest

from bursar.domain.charge import Operation, Outcome
from bursar.domain.loops import Loops
from bursar.gateway.loop_counts import CUT_OFF, ENDED, FAILED, PICO, UNPRICED, Conversations, Requests
from bursar.gateway.loop_cuts import LIFTS_MAX, Cut, Lift, refusal
from bursar.gateway.loop_pace import Pace, Paces
from bursar.gateway.loop_signs import PASSING, Seen, Sign, compile_limits, error_kind
from bursar.gateway.loop_table import CALLS, KEY_BITS, LIVELY, REQUESTS_ROWS, REQUESTS_START, REQUESTS_WIDTH, Tables
from bursar.spool.records import CallFacts

CUTS_MAX = 512  # known at a time; beyond, the one that ends first is forgotten
NAMES_MAX = 16_384  # names whose numbers are remembered
REMEMBER_US = 86_400_000_000  # for so long a request that was cut needs less proof to be cut again
STRIKES_MAX = 6  # a cut lasts 32 times as long at most

EMBEDDINGS, COUNT_TOKENS = str(Operation.EMBEDDINGS.value), str(Operation.COUNT_TOKENS.value)
OK, TRUNCATED, REFUSED_FOR_GOOD = (
    Outcome.OK,
    Outcome.TRUNCATED,
    Outcome.CLIENT_ERROR,
)  # an enum's attribute costs 0.13 µs
BEGIN = struct.Struct(f"{REQUESTS_WIDTH}q").pack_into  # `Table.reset`, without the call
REQUESTS_MASK = REQUESTS_ROWS - 1
SESSION_SALT, CONVERSATION_SALT = 0x5E55_1017_0000_001, 0xC011_7E45_0000_001


Marks = tuple[Pace, Pace | None, int, int]
"""Where a call is counted: the pace of its key and of its session, the row of its request (-1: none) and its key."""


class LoopBreaker:
    """One worker's. `cuts`: by the key of what is refused; ended ones are kept a while, for a loop that comes again.

    double_retries: requests that the client's SDK retried, and Bursar beneath it.
    """

    def __init__(self, loops: Loops, tables: Tables | None = None, *, workers: int = 1) -> None:
        self.limits = limits = compile_limits(loops)
        self.tables = tables or Tables()
        self.requests = Requests(limits, self.tables.requests)
        self.conversations = Conversations(limits, self.tables.conversations)
        self.paces = Paces(limits, workers)
        self.cuts: dict[int, Cut] = {}
        self.is_changed = False  # since the cuts were last written down
        self.double_retries = 0
        self.is_on = limits.enabled
        self._cells = self.tables.cells
        self._names: dict[str, int] = {}
        self._lifted: dict[str, int] = {}
        self._cut_until_us = 0  # when the last cut that is known ends: until then each call is looked up

    def judge(self, facts: CallFacts, now_us: int) -> Marks | None:
        """A call that is about to be sent. Raises LoopCut if it belongs to a loop.

        Returns what `ended` needs to count the call again; None for one that isn't judged.
        """
        if not self.is_on or (self.limits.exempt and self._is_exempt(facts)):
            return None
        paces = self.paces
        pace = paces.newer.get(facts.credential_id) or paces.find(
            facts.credential_id, self._number(facts.credential_id), now_us
        )
        who = pace.number
        operation = facts.operation
        is_repeatable = operation != EMBEDDINGS and operation != COUNT_TOKENS
        key = (xxh3_64_intdigest(facts.fingerprint.encode()) >> 4) ^ who if is_repeatable else 0
        session = facts.attribution.session
        session_pace = None
        if session:
            name = (who, session)
            session_pace = paces.newer.get(name) or paces.find(name, self._session(who, session), now_us)
        if now_us < self._cut_until_us:
            self._refuse(facts, (key, self._session(who, session), who, self._conversation(facts, who)), now_us)
        if now_us >= pace.ends_us:
            pace.begin_minute(now_us)
        pace.calls += 1
        if pace.calls > paces.floor:
            self._cut_and_refuse(facts, paces.hurries(pace, "key", paces.floor, now_us), now_us)
        if session_pace is not None:
            if now_us >= session_pace.ends_us:
                session_pace.begin_minute(now_us)
            session_pace.calls += 1
            if session_pace.calls > paces.floor_session:
                seen = paces.hurries(session_pace, "session", paces.floor_session, now_us)
                self._cut_and_refuse(facts, seen, now_us)
        row = -1
        if is_repeatable:
            cells = self._cells
            row = REQUESTS_START + (key & REQUESTS_MASK) * REQUESTS_WIDTH
            if cells[row] == 0:
                BEGIN(cells, row * 8, key, now_us, now_us, 1, 0, 0, 0, 0, 0, 0, 0, 0)
            else:
                row = self._place(facts, row, key, now_us)
        return pace, session_pace, row, key

    def ended(
        self,
        marks: Marks,
        facts: CallFacts,
        outcome: str,
        http_status: int,
        error_code: str,
        cost_pico: int | None,
        attempt_number: int,
        final: bool,
        now_us: int,
    ) -> None:
        """One attempt has ended. cost_pico: None if it has no known price. final: the call ends with it."""
        pace, session_pace, row, key = marks
        cells = self._cells
        is_counted = row >= 0 and cells[row] == key
        if cost_pico is None:
            self._unpriced(marks)
        else:
            pace.pico += cost_pico
            if session_pace is not None:
                session_pace.pico += cost_pico
            if is_counted:
                cells[row + PICO] += cost_pico
        if is_counted:
            if final:
                cells[row + ENDED] += 1
            if attempt_number > 1 or facts.client_retry:
                by_whom = (attempt_number > 1) + 2 * (facts.client_retry > 0)
                self.double_retries += self.requests.retried(row, by_whom)
        if outcome != OK:
            self._went_wrong(marks, facts, outcome, http_status, error_code, cost_pico, final, now_us)
        else:
            if pace.errors:
                pace.successes += 1
            if now_us < cells[LIVELY] and key:  # a good answer makes all before it in its conversation good
                self.tables.conversations.drop(self._conversation(facts, pace.number))

    def cut(self, facts: CallFacts, seen: Seen, now_us: int) -> Cut:
        """Refuse what was seen from now on."""
        known = self.cuts.get(seen.key)
        strikes = min(known.strikes + 1, STRIKES_MAX) if known is not None and seen.scope == "request" else 1
        said = facts.attribution
        cut = Cut(
            cut_id=f"loop-{seen.key & 0xFFFFFFFFFF:010x}", sign=seen.sign, scope=seen.scope, key=seen.key,
            credential_id=facts.credential_id, session=said.session, agent=said.agent, feature=said.feature,
            model=facts.model_asked, fingerprint=facts.fingerprint if seen.scope == "request" else "",
            error_code=seen.error_kind, calls=seen.calls, unpriced=seen.unpriced, cost_pico=seen.pico,
            first_us=seen.first_us, since_us=now_us, until_us=now_us + (seen.lasts_us << (strikes - 1)),
            bytes_from=seen.bytes_from, bytes_to=seen.bytes_to, strikes=strikes,
        )  # fmt: skip
        self._keep(cut)
        return cut

    def unsent(self, marks: Marks) -> None:
        """A call that was judged and then refused by something else: it is as if it had never come."""
        pace, session_pace, row, key = marks
        pace.calls -= 1
        if session_pace is not None:
            session_pace.calls -= 1
        if row >= 0 and self._cells[row] == key:
            self._cells[row + CALLS] -= 1

    def adopt(self, cuts: list[Cut], now_us: int, *, is_own: bool = False) -> None:
        """Refuse what another worker has cut, too; or (is_own) this one, before it was started again."""
        for cut in cuts:
            known = self.cuts.get(cut.key)
            if (
                cut.until_us > now_us - REMEMBER_US
                and cut.since_us > self._lifted.get(cut.cut_id, 0)
                and (known is None or known.until_us < cut.until_us)
            ):
                mine = known.refused if known is not None and known.cut_id == cut.cut_id else 0  # both cut it at once
                self._keep(cut if is_own else msgspec.structs.replace(cut, refused=mine))

    def lift(self, lifts: list[Lift]) -> None:
        """Let go what somebody lifted after it was cut, and begin to count it anew."""
        self._lifted = {lift.cut.cut_id: lift.lifted_us for lift in lifts[-LIFTS_MAX:]}
        for lift in lifts:
            known = self.cuts.get(lift.cut.key)
            if known is not None and known.since_us <= lift.lifted_us:
                del self.cuts[known.key]
                self.is_changed = True
                self.tables.requests.drop(known.key)
                self.tables.conversations.drop(known.key)

    def forget(self, now_us: int) -> None:
        """Drop cuts that ended so long ago that they say nothing of a loop any more."""
        for cut in [cut for cut in self.cuts.values() if cut.until_us < now_us - REMEMBER_US]:
            del self.cuts[cut.key]
            self.is_changed = True

    def _refuse(self, facts: CallFacts, keys: tuple[int, ...], now_us: int) -> None:
        for key in keys:
            cut = self.cuts.get(key)
            if cut is None or cut.until_us <= now_us:
                continue
            if cut.scope == "conversation" and not cut.bytes_from <= facts.request_bytes <= cut.bytes_to:
                continue
            cut.refused += 1
            self.is_changed = True
            raise refusal(cut, now_us)

    def _place(self, facts: CallFacts, row: int, key: int, now_us: int) -> int:
        """The row of a request that may have come before; its first place is taken. Raises LoopCut."""
        if self._cells[row] != key:
            row, came_before = self.tables.requests.find_or_claim(key, row, now_us)
            if not came_before:
                return row
        known = self.cuts.get(key)
        until_us, is_repeater = 0, False
        if known is not None:
            until_us, is_repeater = known.until_us, known.sign in (Sign.REPEAT, Sign.TRUNCATED)
        seen = self.requests.again(row, key, facts.request_bytes, until_us, is_repeater, now_us)
        self._cut_and_refuse(facts, seen, now_us)
        return row

    def _unpriced(self, marks: Marks) -> None:
        """An attempt whose cost isn't known."""
        pace, session_pace, row, key = marks
        pace.unpriced += 1
        if session_pace is not None:
            session_pace.unpriced += 1
        if row >= 0 and self._cells[row] == key:
            self._cells[row + UNPRICED] += 1

    def _cut_and_refuse(self, facts: CallFacts, seen: Seen | None, now_us: int) -> None:
        if seen is not None:
            cut = self.cut(facts, seen, now_us)
            cut.refused += 1
            raise refusal(cut, now_us)

    def _went_wrong(
        self,
        marks: Marks,
        facts: CallFacts,
        outcome: str,
        http_status: int,
        error_code: str,
        cost_pico: int | None,
        final: bool,
        now_us: int,
    ) -> None:
        """An attempt failed or was truncated."""
        pace, _, row, key = marks
        cells, talks = self._cells, self.conversations
        truncated = outcome == TRUNCATED
        kind = "" if truncated else error_kind(http_status, error_code) or str(outcome)
        seen = None if truncated else self.paces.failed(pace, kind, now_us)
        if final and key:
            if row >= 0 and cells[row] == key:
                if truncated:
                    cells[row + CUT_OFF] += 1
                elif outcome == REFUSED_FOR_GOOD and kind not in PASSING:  # what else fails counts by its cost
                    cells[row + FAILED] += 1
            cells[LIVELY] = now_us + self.limits.window_us
            talk, size, said = self._conversation(facts, pace.number), facts.request_bytes, facts.attribution
            pico, unpriced, is_somebodys = cost_pico or 0, int(cost_pico is None), bool(said.session or said.agent)
            if truncated:
                seen = talks.truncated(talk, size, pico, unpriced, is_somebodys, now_us)
            else:
                seen = seen or talks.failed(talk, size, kind, self._number(kind), pico, unpriced, is_somebodys, now_us)
        if seen is not None:
            self.cut(facts, seen, now_us)

    def _session(self, who: int, session: str) -> int:
        return who ^ self._number(session) ^ SESSION_SALT

    def _conversation(self, facts: CallFacts, who: int) -> int:
        """The key of what a call belongs to: its session, else its agent, else its feature, with its model."""
        said = facts.attribution
        of = said.session or said.agent or said.feature
        return who ^ self._number(of) ^ (self._number(facts.model_asked) >> 1) ^ CONVERSATION_SALT

    def _is_exempt(self, facts: CallFacts) -> bool:
        said = facts.attribution
        values = (
            ("credential_id", facts.credential_id),
            ("model", facts.model_asked),
            ("feature", said.feature),
            ("agent", said.agent),
            ("session", said.session),
            ("request_type", said.request_type),
            ("environment", said.environment),
        )
        return not self.limits.exempt.isdisjoint(values)

    def _keep(self, cut: Cut) -> None:
        if len(self.cuts) >= CUTS_MAX and cut.key not in self.cuts:
            del self.cuts[min(self.cuts.values(), key=lambda one: one.until_us).key]
        self.cuts[cut.key] = cut
        self._cut_until_us = max(self._cut_until_us, cut.until_us)
        self.is_changed = True

    def _number(self, name: str) -> int:
        """A name as 60 bits, the same in every worker."""
        number = self._names.get(name)
        if number is None:
            if len(self._names) >= NAMES_MAX:
                self._names.clear()
            number = self._names[name] = xxh3_64_intdigest(name.encode()) & KEY_BITS or 1
        return number

"""What all workers of a node count together: one request that comes again, and a conversation that gets nowhere.

Each has a table of `loop_table.py`, takes what is known of a call and says what it saw (`Seen`) when that is a loop.
"""

from bursar.gateway.loop_signs import (
    HARDLY_LONGER_BYTES,
    PASSING,
    Limits,
    Seen,
    Sign,
    is_stuck,
    is_truncating,
    request_sign,
)
from bursar.gateway.loop_table import CALLS, KEEP, SINCE, Table

ANY_SIZE = 1 << 40

# Cells of a row, behind those that all rows have. Names of the module: an attribute costs twice as much, at each call.
ROUNDS, ENDED, ENDED_THEN, PICO, UNPRICED, CUT_OFF, FAILED, TRIED_AGAIN = range(4, 12)  # of a request
F_SINCE, F_BYTES, F_KIND, F_COUNT, F_PICO, F_UNPRICED = range(4, 10)  # of a conversation: its failures alike
T_SINCE, T_BYTES, T_COUNT, T_GREW, T_PICO, T_UNPRICED = range(10, 16)  # and its answers cut off by max_tokens


class Requests:
    """How often one request came, and what it has cost. Arrivals that follow an answer are rounds."""

    def __init__(self, limits: Limits, table: Table) -> None:
        self.limits = limits
        self.table = table

    def again(
        self, at: int, key: int, request_bytes: int, cut_until_us: int, is_repeater: bool, now_us: int
    ) -> Seen | None:
        """Count an arrival of what has the row at `at`, unless that makes it a loop.

        cut_until_us: when the last cut of it ended, 0 for none. is_repeater: it was cut for being repeated.
        """
        table = self.table
        cells, since_us = table.cells, table.cells[at + SINCE]
        if now_us - since_us > self.limits.window_us or since_us < cut_until_us:
            table.reset(at, key, now_us)
            return None
        if cells[at + ENDED] > cells[at + ENDED_THEN]:  # it comes after an answer, not beside it
            cells[at + ENDED_THEN] = cells[at + ENDED]
            cells[at + ROUNDS] += 1
        pico, unpriced = cells[at + PICO], cells[at + UNPRICED]
        sign = request_sign(
            self.limits,
            calls=cells[at + CALLS],
            rounds=cells[at + ROUNDS],
            ended=cells[at + ENDED],
            pico=pico,
            unpriced=unpriced,
            truncated=cells[at + CUT_OFF],
            failed=cells[at + FAILED],
            request_bytes=request_bytes,
            is_repeater=is_repeater,
        )
        if sign is None:
            cells[at + CALLS] += 1
            cells[at + KEEP] = now_us + self.limits.window_us  # worth more than what was seen once
            return None
        lasts_us = self.limits.cut_wide_us if sign is Sign.FAILING else self.limits.cut_us
        return Seen(
            sign=sign, scope="request", key=key, calls=cells[at + CALLS], unpriced=unpriced, pico=pico,
            first_us=since_us, lasts_us=lasts_us,
        )  # fmt: skip

    def retried(self, at: int, by_whom: int) -> bool:
        """by_whom: 1 us, 2 the client's SDK, 3 both. Returns whether both have retried this request by now."""
        cells = self.table.cells
        before = cells[at + TRIED_AGAIN]
        now = cells[at + TRIED_AGAIN] = before | by_whom
        return now == 3 and before != 3


class Conversations:
    """Failures alike while a conversation grows, and answers that max_tokens cuts off one after the other."""

    def __init__(self, limits: Limits, table: Table) -> None:
        self.limits = limits
        self.table = table

    def _row(self, key: int, now_us: int) -> int:
        table = self.table
        at = table.find(key)
        if at < 0:
            return table.claim(key, now_us)
        table.cells[at + KEEP] = now_us
        return at

    def failed(
        self,
        key: int,
        size: int,
        kind: str,
        kind_number: int,
        pico: int,
        unpriced: int,
        is_somebodys: bool,
        now_us: int,
    ) -> Seen | None:
        """Count a failure, if the conversation has grown since the last one, and that was alike."""
        at = -1 if kind in PASSING else self._row(key, now_us)
        if at < 0:
            return None
        cells = self.table.cells
        goes_on = cells[at + F_KIND] == kind_number and now_us - cells[at + F_SINCE] <= self.limits.window_us
        if not goes_on or size < cells[at + F_BYTES]:
            cells[at + F_SINCE], cells[at + F_KIND] = now_us, kind_number
            cells[at + F_COUNT] = cells[at + F_PICO] = cells[at + F_UNPRICED] = 0
        elif size == cells[at + F_BYTES]:
            return None  # one request again: counted as that
        cells[at + F_BYTES] = size
        count = cells[at + F_COUNT] = cells[at + F_COUNT] + 1
        cells[at + F_PICO] += pico
        cells[at + F_UNPRICED] += unpriced
        if not is_stuck(self.limits, count, is_somebodys=is_somebodys):
            return None
        cells[at + F_COUNT] = 0
        return Seen(
            sign=Sign.GROWING, scope="conversation", key=key, calls=count, unpriced=cells[at + F_UNPRICED],
            pico=cells[at + F_PICO], first_us=cells[at + F_SINCE], lasts_us=self.limits.cut_wide_us,
            error_kind=kind, bytes_from=size, bytes_to=ANY_SIZE,
        )  # fmt: skip

    def truncated(self, key: int, size: int, pico: int, unpriced: int, is_somebodys: bool, now_us: int) -> Seen | None:
        """Count an answer that was cut off, if the one before was too, to a request hardly shorter."""
        at = self._row(key, now_us)
        if at < 0:
            return None
        cells = self.table.cells
        before = cells[at + T_BYTES]
        hardly = before <= size <= before + HARDLY_LONGER_BYTES
        goes_on = cells[at + T_COUNT] > 0 and now_us - cells[at + T_SINCE] <= self.limits.window_us
        if not goes_on or not (hardly or (is_somebodys and size > before)):
            cells[at + T_SINCE] = now_us
            cells[at + T_COUNT] = cells[at + T_GREW] = 0
            cells[at + T_PICO] = cells[at + T_UNPRICED] = 0
            hardly = True
        cells[at + T_BYTES] = size
        count = cells[at + T_COUNT] = cells[at + T_COUNT] + 1
        cells[at + T_GREW] += not hardly
        cells[at + T_PICO] += pico
        cells[at + T_UNPRICED] += unpriced
        grew = cells[at + T_GREW]
        if not is_truncating(
            self.limits, count=count, grew=grew, pico=cells[at + T_PICO], unpriced=cells[at + T_UNPRICED],
            request_bytes=size, is_somebodys=is_somebodys,
        ):  # fmt: skip
            return None
        cells[at + T_COUNT] = 0
        return Seen(
            sign=Sign.TRUNCATED, scope="conversation", key=key, calls=count, unpriced=cells[at + T_UNPRICED],
            pico=cells[at + T_PICO], first_us=cells[at + T_SINCE], lasts_us=self.limits.cut_wide_us,
            bytes_from=size, bytes_to=ANY_SIZE if grew else size + HARDLY_LONGER_BYTES,
        )  # fmt: skip

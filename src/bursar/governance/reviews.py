"""Reviews that were held: when, of which kind, by whom. What a review says is for whoever holds it to know."""

from typing import Literal, get_args

import msgspec
from sqlalchemy import Row, func, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl
from bursar.governance.audit import record_change
from bursar.governance.schema import REVIEWS_HELD
from bursar.governance.store import ControlStore

ReviewKind = Literal["weekly", "monthly"]
REVIEW_KINDS: tuple[ReviewKind, ...] = get_args(ReviewKind)
NAME_CHARS_MAX = 200


class HeldReview(msgspec.Struct, frozen=True):
    """One review. by: who held it."""

    number: int
    kind: ReviewKind
    at_us: int
    by: str


class ReviewBook:
    """The reviews of a site; appended only. secret: the site's, for the audit log's chain."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def record(self, kind: str, *, by: str, actor: str, at_us: int | None = None) -> HeldReview:
        """A review was held, now or at an instant that is past. Audited.

        Raises BadControl for another kind, nobody, or an instant to come.
        """
        now_us, by = self._clock.now_us(), by.strip()
        at_us = now_us if at_us is None else at_us
        known = next((one for one in REVIEW_KINDS if one == kind), None)
        if known is None:
            raise BadControl(f"kind: a review is {' or '.join(REVIEW_KINDS)}, not {kind[:40]!r}", field="kind")
        if not 1 <= len(by) <= NAME_CHARS_MAX or not by.isprintable():
            raise BadControl(f"by: say who held it, in 1 to {NAME_CHARS_MAX} printable characters", field="by")
        if at_us > now_us:
            raise BadControl("at: a review that is still to come was not held", field="at")
        table = REVIEWS_HELD
        with self._store.writing() as connection:
            last = connection.execute(select(func.max(table.c.number))).scalar_one()
            held = HeldReview((last or 0) + 1, known, at_us, by)
            connection.execute(insert(table).values(number=held.number, kind=kind, at_us=at_us, held_by=by))
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action="review.record",
                subject=str(held.number), detail={"kind": kind, "by": by, "at_us": str(at_us)},
            )  # fmt: skip
        return held

    def last(self, kind: ReviewKind) -> HeldReview | None:
        """The latest of a kind; None: none was ever held."""
        table = REVIEWS_HELD
        asked = select(table).where(table.c.kind == kind).order_by(table.c.at_us.desc(), table.c.number.desc())
        with self._store.reading() as connection:
            found = connection.execute(asked.limit(1)).first()
        return None if found is None else _review(found)

    def all(self) -> list[HeldReview]:
        """Oldest first."""
        table = REVIEWS_HELD
        with self._store.reading() as connection:
            return [_review(row) for row in connection.execute(select(table).order_by(table.c.at_us, table.c.number))]


def _review(row: Row[tuple[object, ...]]) -> HeldReview:
    return HeldReview(row.number, row.kind, row.at_us, row.held_by)

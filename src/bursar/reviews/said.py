"""A review as it is shown: sections of sentences, each with the amount it is ranked by and where its number opens."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.reviews.facts import Kind, Opens

Tone = Literal["bad", "good", "plain"]


class Said(msgspec.Struct, frozen=True):
    """One sentence. money: USD it is ranked by, whatever its sign; None: no amount hangs on it."""

    text: str
    opens: Opens
    money: Decimal | None = None
    tone: Tone = "plain"


class Section(msgspec.Struct, frozen=True):
    """One heading. minutes: what it should take. nothing: the one line where there is nothing to say."""

    title: str
    minutes: int
    nothing: str
    said: tuple[Said, ...] = ()


class Review(msgspec.Struct, frozen=True):
    """All of it. lead: the review in one sentence; without sections that is all there is to say.

    before: what changes are against, "September"; "" where there is nothing to compare with.
    """

    kind: Kind
    title: str
    period: str
    before: str
    lead: str
    sections: tuple[Section, ...]

    @property
    def minutes(self) -> int:
        return sum(section.minutes for section in self.sections)

    @property
    def about(self) -> str:
        """How long it takes and what it compares; "" where there is nothing to read."""
        if not self.sections:
            return ""
        against = f"changes are against {self.before}" if self.before else "there is nothing to compare it with"
        return f"{self.minutes} minutes; {against}"


def ranked(said: Iterable[Said], most: int) -> tuple[Said, ...]:
    """The largest amounts first, those without one last and in their own order."""
    ordered = sorted(said, key=_place)
    return tuple(ordered[:most])


def _place(one: Said) -> tuple[bool, Decimal]:
    return one.money is None, -abs(one.money or Decimal(0))

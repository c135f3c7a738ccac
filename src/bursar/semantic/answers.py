"""Whether two answers surely say different things though their words are nearly the same: pure, on English."""

import re

from bursar.semantic.guards import differ_in_polarity
from bursar.semantic.marks import marks_of

SHORT_CHARS_MAX = 400
"""Of a longer answer, each telling has its own numbers and denials."""
_OPENS = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def contradict(one: str, other: str) -> bool:
    """One opens with yes, the other with no; or, of short ones, one denies what the other doesn't, or they have other
    numbers.

    >>> contradict("It is safe to take it.", "It isn't safe to take it."), contradict("It's 5 MB", "It is 5 MB.")
    (True, False)
    """
    opened = [_OPENS.match(text) for text in (one, other)]
    if opened[0] and opened[1] and opened[0][1].lower() != opened[1][1].lower():
        return True
    if max(len(one), len(other)) > SHORT_CHARS_MAX:
        return False
    ours, theirs = marks_of(one), marks_of(other)
    return sorted(ours.numbers) != sorted(theirs.numbers) or differ_in_polarity(ours, theirs)

"""What a person may say: of the checks that Bursar can't see, by name, in words, and for a time."""

from typing import NamedTuple

from bursar.domain.errors import BadEvidence
from bursar.maturity.steps import BY_ID, CHECKS, Check

WHO_CHARS_MAX = 120
TEXT_CHARS_MIN, TEXT_CHARS_MAX = 10, 2_000
DAY_US = 86_400_000_000

BY_PERSON: tuple[Check, ...] = tuple(check for check in CHECKS if check.is_by_person)


class Said(NamedTuple):
    """Evidence as it may be kept. until_us: when it ends."""

    check: Check
    who: str
    text: str
    until_us: int


def check_evidence(check_id: str, who: str, text: str, now_us: int) -> Said:
    """What somebody says of a check, from now on for as long as that check allows.

    Raises BadEvidence for a check that Bursar measures itself, for nobody, and for words that say nothing.
    """
    check = BY_ID.get(check_id)
    known = ", ".join(one.id for one in BY_PERSON)
    if check is None:
        raise BadEvidence(f"there is no check {check_id[:80]!r}; a person may speak for {known}", field="check")
    if not check.is_by_person:
        raise BadEvidence(
            f"Bursar measures {check_id} itself ({check.how}), and nobody's word changes it; a person may speak for "
            f"{known}",
            field="check",
        )
    who, text = who.strip(), text.strip()
    if not 1 <= len(who) <= WHO_CHARS_MAX or not who.isprintable():
        raise BadEvidence(f"say in whose name, in 1 to {WHO_CHARS_MAX} printable characters", field="who")
    if not TEXT_CHARS_MIN <= len(text) <= TEXT_CHARS_MAX:
        raise BadEvidence(
            f"say what was done, when and where it can be seen, in {TEXT_CHARS_MIN} to {TEXT_CHARS_MAX} characters",
            field="text",
        )
    if not all(letter.isprintable() or letter in "\n\r\t" for letter in text):
        raise BadEvidence("text has a character that can't be printed", field="text")
    return Said(check, who, text, now_us + check.evidence_days * DAY_US)

"""What is told to people: what a rule found, how grave it is, and the key that tells a new one from one told before."""

import hashlib
from enum import StrEnum

import msgspec

TITLE_CHARS_MAX = 200
VALUE_CHARS_MAX = 400


class Severity(StrEnum):
    """How grave. Only `critical` goes through quiet hours."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Finding(msgspec.Struct, frozen=True):
    """Something that a rule found and people should know.

    rule:    the rule's name.
    value:   what it was found of: a provider, a model, a budget and its threshold.
    window:  when: a day, a month, the start of an episode. Rule, value and window together are told once.
    text:    plain words with the numbers that led to it.
    address: the page of the console that opens it, as a path.
    """

    rule: str
    value: str
    window: str
    severity: Severity
    title: str
    text: str
    address: str

    @property
    def key(self) -> str:
        """The same for the same thing found again, on any machine and after any restart."""
        return dedup_key(self.rule, self.value, self.window)


def dedup_key(rule: str, value: str, window: str) -> str:
    """64 hex digits. The parts are told apart: `("a", "bc", "")` and `("ab", "c", "")` differ."""
    return hashlib.sha256(msgspec.json.encode((rule, value, window))).hexdigest()

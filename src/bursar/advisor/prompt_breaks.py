"""What breaks prompt caches, as whoever asks for advice knows it: the ledger has no text and can't say."""

from decimal import Decimal

import msgspec


class PromptBreak(msgspec.Struct, frozen=True):
    """One part of a prompt that changes from call to call, so that what stands behind it is sent as new.

    model: as it was sent. part: `system[0]`, `tools`, `messages[2]`. cause: time, id, number, text, whitespace,
    reordered, added, removed or trimmed. says: both, in words. usd_a_month: in thirty days; None: not known.
    """

    model: str
    feature: str
    request_type: str
    part: str
    cause: str
    says: str
    usd_a_month: Decimal | None

"""What Claude's generations take, by the model's name: how they are told to think, and which samplings they refuse.

Source: tests/golden/anthropic (a refused effort), the documentation in the anthropic SDK 2.12.0, whose request type no
longer has temperature, top_p and top_k.
"""

import re

NEWEST = (99, 0)
OLDEST = (0, 0)  # also other vendors' models behind the same dialect: they know what Claude knew first

ADAPTIVE_SINCE = (4, 6)
"""Thinks as much as it needs, to an effort; earlier ones want a budget."""

UNSAMPLED_SINCE = (4, 7)
"""Refuses temperature, top_p, top_k and a budget for thinking; knows the effort "xhigh"."""

ONE_SAMPLING_SINCE = (4, 1)
"""Refuses temperature and top_p together."""

BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
"""Tokens of thought for an effort, where only a budget can be said. Ours: nobody publishes such a table."""

BUDGET_MIN = 1_024

_VERSION = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


def generation(model: str) -> tuple[int, int]:
    """(4, 6) of claude-opus-4-6. A Claude without a number is new; one numbered before its name is old."""
    found = _VERSION.search(model)
    if found:
        return int(found[1]), int(found[2] or 0)
    if "claude" not in model or re.search(r"claude-[0-9v]|claude-instant", model):
        return OLDEST
    return NEWEST


def effort_of_budget(tokens: int) -> str:
    """The smallest effort whose budget is as large."""
    for effort in ("low", "medium", "high"):
        if tokens <= BUDGETS[effort]:
            return effort
    return "max"

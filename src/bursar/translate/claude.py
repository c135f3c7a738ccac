"""What Claude's generations take, by the model's name: how they are told to think, and which samplings they refuse.

Source: tests/golden/anthropic (a refused effort), the documentation in the anthropic SDK 2.12.0, whose request type no
longer has temperature, top_p and top_k.
"""

import re
from typing import Any

from bursar.translate.conversation import Conversation, Losses, Reasoning
from bursar.translate.effort import effort_of_budget

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


def thinking_of(
    conversation: Conversation, limit: int, losses: Losses, *, must_call: bool, lacks_thoughts: bool
) -> tuple[dict[str, Any], str]:
    """(`thinking`, the effort) in the way of the model's generation; ({}, "") where it isn't told.

    limit: of output, in tokens; 0: nobody said. must_call: a tool must be called, which no thinking model can be made
    to. lacks_thoughts: in the midst of a call, the turn before doesn't begin with a thought: it must, under a budget.
    """
    wanted = conversation.reasoning
    if wanted is None or (not wanted.effort and wanted.budget_tokens is None):
        return {}, ""
    if wanted.effort == "none":
        return {"type": "disabled"}, ""
    since = generation(conversation.model)
    is_adaptive = since >= ADAPTIVE_SINCE
    if must_call or (not is_adaptive and (limit <= BUDGET_MIN or lacks_thoughts)):
        losses.lose("reasoning")
        return {}, ""
    effort = ""
    if is_adaptive and (wanted.budget_tokens is None or since >= UNSAMPLED_SINCE or limit <= BUDGET_MIN):
        thinking: dict[str, Any] = {"type": "adaptive"}
        effort = _effort(wanted, since, losses)
    else:
        thinking = {"type": "enabled", "budget_tokens": _budget(wanted, limit, losses)}
    if wanted.shown is not None:
        if is_adaptive:
            thinking["display"] = "summarized" if wanted.shown else "omitted"
        elif not wanted.shown:
            losses.lose("reasoning.shown")
    return thinking, effort


def _effort(wanted: Reasoning, since: tuple[int, int], losses: Losses) -> str:
    if not wanted.effort:
        losses.lose("reasoning")
        return effort_of_budget(wanted.budget_tokens or 0)
    if wanted.budget_tokens is not None:
        losses.lose("reasoning.budget_tokens")
    if wanted.effort == "minimal":
        losses.lose("reasoning.effort")
        return "low"
    if wanted.effort == "xhigh" and since < UNSAMPLED_SINCE:
        losses.lose("reasoning.effort")
        return "high"
    return wanted.effort


def _budget(wanted: Reasoning, limit: int, losses: Losses) -> int:
    """Below the limit, which holds for thoughts and answer together; a quarter of it stays for the answer."""
    budget = wanted.budget_tokens
    if budget is None:
        budget = BUDGETS[wanted.effort]
    elif not BUDGET_MIN <= budget < limit:
        losses.lose("reasoning.budget_tokens")
    return max(BUDGET_MIN, budget if budget < limit else limit * 3 // 4)


def sampling_of(conversation: Conversation, losses: Losses, *, thinks: bool) -> dict[str, float]:
    """`temperature`, `top_p` and `top_k`, as far as this model takes them, thinking or not."""
    since = generation(conversation.model)
    is_refused = since >= UNSAMPLED_SINCE
    said: dict[str, float] = {}
    temperature, top_p = conversation.temperature, conversation.top_p
    if temperature is not None:
        if is_refused or (thinks and temperature != 1):
            losses.lose("temperature")
        else:
            said["temperature"] = min(temperature, 1.0)
            if temperature > 1:
                losses.lose("temperature")
    if top_p is not None:
        is_second = since >= ONE_SAMPLING_SINCE and "temperature" in said
        if is_refused or is_second or (thinks and not 0.95 <= top_p <= 1):
            losses.lose("top_p")
        else:
            said["top_p"] = top_p
    if conversation.top_k is not None:
        if is_refused or thinks:
            losses.lose("top_k")
        else:
            said["top_k"] = conversation.top_k
    return said

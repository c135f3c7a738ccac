"""Which models can be marked, how long a prefix must be, and for how long one is kept.

Source of the minimums: platform.claude.com, Prompt caching, as quoted 2026-05 to 2026-10 (512 tokens for Opus 5, Fable
5 and Mythos 5; 2,048 for Opus 4.7; 4,096 for Opus 4.5, 4.6 and Haiku 4.5; 2,048 for older Haikus; else 1,024). Sonnet
4.6 is documented at 1,024 and was measured at 2,048 (anthropic-sdk-python, issue 1194): the larger one stands here. Of
Bedrock: docs.aws.amazon.com, Prompt caching: Claude since 3.5 Haiku and 3.7 Sonnet, an hour since the 4.5 generation;
Nova, without its tools and for five minutes only. A Claude that isn't named below has the largest known minimum.
"""

import re

import msgspec

UNKNOWN_MINIMUM = 4_096
NOVA_MINIMUM = 1_024  # "1K" tokens

_CLAUDE = re.compile(
    r"claude-(?:(\d)(?:[-.](\d))?-)?(opus|sonnet|haiku|fable|mythos)(?:-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d))?"
)
_NOVA = re.compile(r"\bamazon\.nova-(?:micro|lite|pro|premier)")

_SINCE_5 = {"opus": 512, "fable": 512, "mythos": 512, "sonnet": 1_024}
_MINIMUMS = {
    ("opus", 4, 7): 2_048,
    ("opus", 4, 6): 4_096,
    ("opus", 4, 5): 4_096,
    ("haiku", 4, 5): 4_096,
    ("haiku", 3, 5): 2_048,
    ("haiku", 3, 0): 2_048,
    ("sonnet", 4, 6): 2_048,
    ("sonnet", 4, 5): 1_024,
    ("sonnet", 4, 0): 1_024,
    ("sonnet", 3, 7): 1_024,
    ("opus", 4, 8): 1_024,
    ("opus", 4, 1): 1_024,
    ("opus", 4, 0): 1_024,
}
_BEDROCK_SINCE = {"haiku": (3, 5)}
_BEDROCK_SINCE_ELSE = (3, 7)
_BEDROCK_HOUR_SINCE = (4, 5)


class Cacheable(msgspec.Struct, frozen=True):
    """minimum: tokens. has_hour: whether it is kept for an hour if asked. has_tools: whether its tools take a mark."""

    minimum: int
    has_hour: bool = True
    has_tools: bool = True


def cacheable(model: str, *, at_bedrock: bool) -> Cacheable | None:
    """What can be said of a model's cache; None where a mark could be refused: a name that isn't known at Bedrock.

    Anthropic's own door takes a mark for any model. Others behind the same dialect are left alone: they may not.

    >>> cacheable("claude-opus-4-5-20251101", at_bedrock=False)
    Cacheable(minimum=4096, has_hour=True, has_tools=True)
    >>> cacheable("meta.llama3-70b-instruct-v1:0", at_bedrock=True) is None
    True
    """
    named = _CLAUDE.search(model)
    if named is None:
        if at_bedrock and _NOVA.search(model):
            return Cacheable(NOVA_MINIMUM, has_hour=False, has_tools=False)
        return Cacheable(UNKNOWN_MINIMUM) if "claude" in model and not at_bedrock else None
    family = named[3]
    major, minor = (int(part or 0) for part in ((named[1], named[2]) if named[1] else (named[4], named[5])))
    if at_bedrock and (major, minor) < _BEDROCK_SINCE.get(family, _BEDROCK_SINCE_ELSE):
        return None
    minimum = _MINIMUMS.get((family, major, minor))
    if minimum is None:
        minimum = _SINCE_5.get(family, UNKNOWN_MINIMUM) if major == 5 else UNKNOWN_MINIMUM
    return Cacheable(minimum, has_hour=not at_bedrock or (major, minor) >= _BEDROCK_HOUR_SINCE)

"""An answer as every dialect means it: whole, as a stream of events, or as the provider's error."""

import msgspec

from bursar.domain.usage import Usage
from bursar.translate.conversation import Citation, Losses, Part

STOPS = ("end", "length", "stop_sequence", "tool_use", "refusal", "pause", "context")
"""Why an answer ended: by itself, at the output limit, at a stop sequence, for a tool, because it won't (or a filter
cut it), to be gone on with (Anthropic's `pause_turn`), at the model's context window."""


class TopToken(msgspec.Struct, frozen=True):
    """One of the tokens that could have stood there."""

    token: str
    logprob: float


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token of the answer and how likely it was (natural logarithm)."""

    token: str
    logprob: float
    top: tuple[TopToken, ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; only OpenAI chat and Gemini give several."""

    parts: tuple[Part, ...]
    stop: str = "end"
    stop_sequence: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. usage None: it reported none."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created_s: int = 0  # Unix time; 0: it didn't say
    tier: str = ""


def first_choice(reply: Reply, losses: Losses) -> Choice:
    """The answer, in a dialect that has no more than one; an empty one where there is none."""
    if len(reply.choices) > 1:
        losses.lose("choices")
    return reply.choices[0] if reply.choices else Choice(())


class Fault(msgspec.Struct, frozen=True):
    """A provider's refusal or failure in its own words.

    kind: in Anthropic's words, which are the widest: "invalid_request_error", "authentication_error",
    "permission_error", "not_found_error", "request_too_large", "rate_limit_error", "api_error", "overloaded_error",
    "timeout_error", "billing_error". code: the provider's own finer code, e.g. "context_length_exceeded".
    """

    status: int
    kind: str
    message: str
    code: str = ""
    field: str = ""


class Started(msgspec.Struct, frozen=True, tag=True):
    """The answer begins. usage: what is known of the input already (Anthropic says it here)."""

    id: str
    model: str
    created_s: int = 0
    usage: Usage | None = None


class PartStarted(msgspec.Struct, frozen=True, tag=True):
    """A part begins: of kind "text", "thinking", "tool_use" or "refusal". index counts the parts of a choice from 0."""

    index: int
    kind: str
    id: str = ""  # of a tool's call
    name: str = ""
    choice: int = 0


class PartGrew(msgspec.Struct, frozen=True, tag=True):
    """More of a part: text of a text, thought or refusal; JSON of a tool's arguments, cut anywhere."""

    index: int
    text: str
    choice: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


class PartSigned(msgspec.Struct, frozen=True, tag=True):
    """A thought's or tool call's signature. redacted: its encrypted form, where there is no text."""

    index: int
    signature: str = ""
    redacted: str = ""
    provider: str = ""
    choice: int = 0


class PartCited(msgspec.Struct, frozen=True, tag=True):
    """Where a passage of the open text is from."""

    index: int
    citation: Citation
    choice: int = 0


class PartEnded(msgspec.Struct, frozen=True, tag=True):
    """A part is whole."""

    index: int
    choice: int = 0


class Stopped(msgspec.Struct, frozen=True, tag=True):
    """A choice is whole."""

    stop: str
    stop_sequence: str = ""
    choice: int = 0


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The answer is whole; the last event. usage: all of it, None if the provider reported none."""

    usage: Usage | None = None
    tier: str = ""


class Pinged(msgspec.Struct, frozen=True, tag=True):
    """The provider says that it lives."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The provider failed in mid-stream; the last event."""

    fault: Fault


Event = Started | PartStarted | PartGrew | PartSigned | PartCited | PartEnded | Stopped | Ended | Pinged | Failed
"""`Started`, then each choice's parts, numbered from 0 and one open at a time, and its `Stopped`; last `Ended` or
`Failed`. A reader sees to that order, so a writer needn't."""

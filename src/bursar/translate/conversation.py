"""A chat request as every dialect means it. A codec reads its own wire format into this and writes it from this.

Bytes stay text: data of images and files is base64 as it came, arguments and schemas of tools are the client's JSON.
An empty text, an empty tuple or None means that the request didn't say.
"""

from typing import Annotated, Literal

import msgspec


class Citation(msgspec.Struct, frozen=True, gc=False):
    """Where a passage of an answer is from. url: "" where it is a document that nobody else can name.

    quote: words of the source. start, end: of the passage in its text, in characters; both 0 where nobody said.
    """

    url: str
    title: str = ""
    quote: str = ""
    start: int = 0
    end: int = 0


class Text(msgspec.Struct, frozen=True, tag="text", gc=False):
    """Plain text. cache: a cache breakpoint behind it, "" or its lifetime, "5m" or "1h". citations: of an answer's."""

    text: str
    cache: str = ""
    citations: tuple[Citation, ...] = ()


class Media(msgspec.Struct, frozen=True, tag="media"):
    """An image, a sound or a file, by its data (base64) or its address; exactly one of `data`, `url`, `file_id`.

    kind: "image", "audio" or "file". mime: "image/png"; "" where only the provider knows. detail: OpenAI's "low" …
    """

    kind: str
    mime: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: str = ""


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """What the model thought. signature: the provider's proof, opaque, only for the `provider` dialect that made it.

    redacted: the provider's encrypted thought, where it shows no text. id: OpenAI's name of the item.
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    id: str = ""
    provider: str = ""


class ToolUse(msgspec.Struct, frozen=True, tag="tool_use"):
    """A call of a tool. arguments: a JSON object, as text. signature: Gemini's thought signature of this call."""

    id: str
    name: str
    arguments: str
    signature: str = ""
    cache: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool gave back. id: of its `ToolUse`; name: "" where the dialect doesn't repeat it."""

    id: str
    content: tuple[Text | Media, ...]
    name: str = ""
    is_error: bool = False
    cache: str = ""


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The model's own words of why it won't."""

    text: str


Part = Text | Media | Thinking | ToolUse | ToolResult | Refusal


class Message(msgspec.Struct, frozen=True):
    """One turn. role: "user" or "assistant"; a system prompt stands in `Conversation.system`, a tool's result in a
    user's turn. Two turns of one role may follow each other: a writer joins them where its dialect wants that."""

    role: str
    parts: tuple[Part, ...]


class Words(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The turn that most are, one text and nothing else. As it stands on the wire of OpenAI's chat and of Anthropic's
    Messages, so that a long conversation is read and written there without a detour.

    role: of a turn, "user" or "assistant"; the others are a wire's system prompts, as long as they are being read.
    """

    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[str, msgspec.Meta(min_length=1)]

    @property
    def parts(self) -> tuple[Part, ...]:
        """As any turn has them."""
        return (Text(self.content),)


Turn = Message | Words


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call. parameters: its JSON Schema as text, "" if it takes none."""

    name: str
    description: str = ""
    parameters: str = ""
    strict: bool | None = None
    cache: str = ""


class ToolChoice(msgspec.Struct, frozen=True):
    """mode: "auto", "none", "required" (any), or "tool", which is `name`. parallel None: the request didn't say."""

    mode: str = "auto"
    name: str = ""
    parallel: bool | None = None


class Format(msgspec.Struct, frozen=True):
    """What the answer must look like. kind: "json" (any object) or "schema" (JSON Schema, as text)."""

    kind: str
    name: str = ""
    schema: str = ""
    strict: bool | None = None
    description: str = ""


class Reasoning(msgspec.Struct, frozen=True):
    """How much the model shall think.

    effort: "none", "minimal", "low", "medium", "high", "xhigh" or "max"; "" where only a budget, in tokens, is said.
    shown: whether the client wants to read the thoughts (or a summary); None: it didn't say.
    """

    effort: str = ""
    budget_tokens: int | None = None
    shown: bool | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a chat request that more than one dialect can say."""

    model: str
    messages: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    stream: bool = False
    wants_stream_usage: bool = True  # False only for OpenAI chat without `stream_options.include_usage`
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    format: Format | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | None = None
    default_output_tokens: int | None = None  # the gateway's own, for a provider that must be told a limit (Anthropic)
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    user: str = ""
    metadata: str = ""  # a JSON object, as text
    tier: str = ""  # in OpenAI's words: "auto", "default", "flex", "priority"


class Losses:
    """What of a request or an answer the other dialect can't say, in the order it was met, each name once.

    Names are paths in the words of the one who reads: the caller's field for a request ("logit_bias",
    "messages[2].name"), the shared word for what a writer must drop ("seed", "thinking.signature").
    Bounded: a stream can't fill it.
    """

    LOST_MAX = 64

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def lose(self, name: str) -> None:
        """Take note of one."""
        if len(self.names) < self.LOST_MAX:
            self.names[name] = None

"""What was asked and what was answered, as every dialect says it. The gateway, the SDK and the CLI see only these."""

from typing import Annotated

import msgspec

from bursar.domain.media import Media
from bursar.domain.usage import Usage

MODEL_CHARS_MAX = 256  # longer than any model name in any catalogue; a ledger column shouldn't hold an essay
COUNT_MAX = 10**12  # tokens; a larger count is a broken answer
OUTPUT_TOKENS_MAX = 2**31

ModelName = Annotated[str, msgspec.Meta(max_length=MODEL_CHARS_MAX)]
OutputLimit = Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)]
Choices = Annotated[int, msgspec.Meta(ge=0, le=1_024)]
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class KnownCache(msgspec.Struct, frozen=True):
    """What is known of a cached content before a change of its lifetime. tokens: None: its answers didn't say.

    until_us: microseconds since the epoch.
    """

    model: str
    tokens: int | None
    until_us: int


class Keeps(msgspec.Struct):
    """What a request asks of a cached content's lifetime, in microseconds; neither: the provider's own default.

    cache_id: of the one that is changed. known: what is known of that; None: nothing.
    """

    ttl_us: int | None = None
    until_us: int | None = None
    cache_id: str = ""
    known: KnownCache | None = None


class Kept(msgspec.Struct, frozen=True):
    """What an answer says of a cached content. Microseconds since the epoch; until_us 0: it is deleted now.

    from_us: when it was made, or its lifetime changed.
    """

    tokens: int = 0
    from_us: int = 0
    until_us: int = 0


class Asked(msgspec.Struct):
    """What a request asks for, as far as it is billed or attributed. Everything else stays in the bytes."""

    model: str = ""
    stream: bool = False
    max_output_tokens: int | None = None  # None: the client left it to the provider
    tier: str = ""  # the service tier asked for; what was served is in the answer
    user: str = ""
    metadata: dict[str, str] = {}  # values that weren't text are their JSON
    wants_usage: bool = False  # the client itself asked a stream for its usage
    tools: int = 0
    choices: int = 1  # answers to generate: the output limit holds for each
    tags: list[str] = []  # bare labels of LiteLLM's `tags`
    has_stream_options: bool = False
    media: tuple[Media, ...] = ()  # its parts that aren't text
    data_bytes: int = 0  # of the body: their data, which is no text
    model_in_path: bool = False  # Google: the body doesn't name it
    sold: Usage | None = None  # what the request itself says will be billed: characters, images
    sold_as: str = ""  # the name that its price stands under, where size and quality decide it
    searches: int = 0  # paid searches that the provider may make for it
    continues: str = ""  # the id of what the provider keeps and puts before it: an answer, a conversation, a cache
    streams_array: bool = False  # a stream may come as one JSON array, whose type says nothing of a stream
    region: str = ""  # where it asks to be served, if its provider prices by that
    passes: int = 1  # times that its model may read all of it and write an answer: a compaction is one more
    reads: bool = False  # a tool of the provider's own may read more into it: pages, files, what a program printed
    also: tuple[tuple[str, int], ...] = ()  # (model, times): others that may be billed for it, as it names them
    fees: tuple[tuple[str, int], ...] = ()  # (name of the price, times): what is billed beside tokens and searches
    keeps: Keeps | None = None  # it makes or changes a cached content

    @property
    def reads_more(self) -> bool:
        """Whether its provider may read more into it than it holds: its bill then says nothing of other calls."""
        return self.searches > 0 or self.reads


class Answer(msgspec.Struct):
    """What came back. `usage` None: the answer reported none, which is unknown, not zero."""

    usage: Usage | None = None
    model: str = ""  # the model that the provider says it served
    tier: str = ""  # the tier that it says it served; "" where it says none, or only "auto"
    finish_reason: str = ""
    truncated: bool = False  # a whole answer, cut by the output limit
    upstream_id: str = ""
    complete: bool = False  # False: a stream that was cut, or a body that can't be read
    cost_pico: int | None = None  # what the provider itself says it cost, pico-USD
    error_code: str = ""  # the provider's own error code or type; "" when it reported none
    also: tuple[tuple[str, Usage], ...] = ()  # (model, usage) billed beside it, at another model's price
    region: str = ""  # where it was served, if the provider prices by that ("us" of Anthropic's inference_geo)
    is_pending: bool = False  # taken on and not answered yet: what it costs is known later
    kept: Kept | None = None  # it is about a cached content

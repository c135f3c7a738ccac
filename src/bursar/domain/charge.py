"""The states a charge and an attempt can be in. Each is a word that a page shows; none of them is a zero."""

from enum import StrEnum


class Quality(StrEnum):
    """How sure we are of a charge."""

    REPORTED = "reported"  # usage as the provider reported it, at a known price
    ESTIMATED = "estimated"  # the answer carried no (whole) usage: counted from bytes
    ASSUMED = "assumed"  # we never heard back: the bound, until reconciled
    UNPRICED = "unpriced"  # no price for this model or unit: the cost is unknown, not zero
    RECONCILED = "reconciled"  # corrected to the provider's own bill


class Outcome(StrEnum):
    """How an attempt, or the call it belongs to, ended."""

    OK = "ok"
    TRUNCATED = "truncated"  # a whole answer, cut by max_tokens
    REFUSED = "refused"  # by Bursar, before anything was sent
    CLIENT_ERROR = "client_error"  # 4xx of the provider, or a request nobody could send
    PROVIDER_ERROR = "provider_error"  # 5xx, 529, broken connection, cut stream
    TIMEOUT = "timeout"
    ABORTED = "aborted"  # the client hung up


class Operation(StrEnum):
    """What was asked, in OTel's words (`gen_ai.operation.name`) where it has one."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    COMPLETION = "text_completion"
    COUNT_TOKENS = "count_tokens"
    IMAGES = "image_generation"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    MODERATION = "moderation"
    REALTIME = "realtime"
    MODELS = "models"
    CACHE = "create_cache"
    CACHE_CHANGE = "change_cache"
    FILES = "files"
    BATCH = "batch"  # its creation; each of its lines is a call of its own
    KEPT = "kept_response"  # a look at one that the provider keeps
    CACHE_DELETE = "delete_cache"
    OTHER = "other"


class Lever(StrEnum):
    """What made a charge smaller than its counterfactual."""

    NONE = ""
    PROMPT_CACHE = "prompt_cache"
    RESPONSE_CACHE = "response_cache"
    SEMANTIC_CACHE = "semantic_cache"
    ROUTING = "routing"
    BATCH = "batch"
    CONTRACT = "contract"

"""Work that a provider finishes later, a batch or a response in the background: as the control store keeps it."""

from collections.abc import Sequence

import msgspec

CACHE = "cache"
"""The kind of a cached content: one row for each call that made or changed it. Nobody is asked about it."""


def cache_name(provider: str, name: str) -> str:
    """What a cached content is found by: no id of a batch can be one. A project in its name has an id and a number, so
    only the last part counts.

    >>> cache_name("google", "projects/p/locations/l/cachedContents/7")
    'cache google 7'
    """
    return f"cache {provider} {name.rpartition('/')[2]}"[:256]


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A part of one balance that is posted for a job: the window's key says of which window."""

    budget_id: str
    value: str
    account: str
    window_key: str
    pico: int


class Models(msgspec.Struct, frozen=True):
    """What a batch asks of one model. input_bytes: of text; media_tokens: of the rest; tokens as the requests limit
    their answers; unlimited: answers without a limit; largest_bytes: of one request; searches: paid ones that may be
    made; region: that one asks to be served in, where its provider prices by that."""

    requests: int = 0
    input_bytes: int = 0
    media_tokens: int = 0
    output_tokens: int = 0
    unlimited: int = 0
    largest_bytes: int = 0
    searches: int = 0
    region: str = ""


class JobDetail(msgspec.Struct, frozen=True):
    """What else is known of a job. attempt_id: of its creation. read: parts of its results that are in the journal.

    tokens, until_us: of a cached content: how many are kept until when, as that call left it.
    """

    attempt_id: str
    provider: str
    endpoint: str = ""
    input_id: str = ""
    model: str = ""
    query: str = ""
    bound_pico: int | None = None
    posted_pico: int = 0
    held: list[Held] = []
    read: list[str] = []
    cost_pico: int = 0
    is_unpriced: bool = False
    tokens: int | None = None
    until_us: int = 0


class Job(msgspec.Struct, frozen=True):
    """One row. facts: JSON of the call's facts."""

    job_key: str
    kind: str
    upstream: str
    owner: str
    facts: str
    detail: JobDetail
    created_us: int
    next_us: int = 0
    upstream_id: str = ""
    output_id: str = ""
    errors_id: str = ""
    status: str = ""
    polls: int = 0
    settled_us: int | None = None

    @property
    def is_open(self) -> bool:
        return self.settled_us is None


def owner_of(credential_kind: str, credential_id: str, scope: Sequence[str]) -> str:
    """Whose something is: of a virtual key its organization, team and project; of a key passed through, that key."""
    return "virtual " + "/".join(scope) if credential_kind == "virtual" else credential_id

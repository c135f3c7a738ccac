"""Who and what a call is for: the first-class dimensions, and free tags beside them."""

import msgspec

TAGS_MAX = 64  # pairs a call may carry; more are dropped, and the answer says how many
TAG_KEY_CHARS_MAX = 64
TAG_VALUE_CHARS_MAX = 512

DIMENSIONS = ("feature", "team", "customer", "environment", "request_type", "session", "agent", "user")
"""First-class dimensions, each a column. Any other tag key is a free tag."""


class Attribution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The dimensions of one call. The empty string means "not said"; it is shown as `(none)`, never dropped."""

    feature: str = ""
    team: str = ""
    customer: str = ""
    environment: str = ""
    request_type: str = ""
    session: str = ""
    agent: str = ""
    user: str = ""
    tags: dict[str, str] = {}

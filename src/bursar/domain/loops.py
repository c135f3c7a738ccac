"""What counts as a loop: the settings of `[loops]`, which the gateway, the console and the docs read alike."""

import msgspec


class Loops(msgspec.Struct, forbid_unknown_fields=True):
    """When a loop is cut, and for how long. Amounts are USD as text, so that no float holds money.

    The defaults cut a $0.05 request that comes again and again at $0.30, and nothing of a usual day: see docs/loops.md.
    """

    enabled: bool = True
    window_s: float = 900.0  # repeats further apart than this have nothing to do with each other
    repeats: int = 6  # answers to one request, one after the other, before it may be a loop …
    repeat_usd: str = "0.30"  # … and what they must have cost together
    repeats_unpriced: int = 20  # answers without a price, before their unknown cost is taken for too much
    repeats_failed: int = 40  # one request that fails again and again, whatever it costs
    repeats_again: int = 1  # how often a request is let through once its cut has ended, before it is cut again
    truncated: int = 4  # answers cut by max_tokens, each asked for again as it was or hardly longer …
    truncated_usd: str = "0.10"  # … and what they must have cost together
    growing: int = 5  # failures alike of one session or agent, each request longer than the last
    storm: int = 200  # failures of one kind by one key within a minute, and hardly a success
    rate_times: int = 10  # how often its own busiest minute so far a key or a session may make within a minute …
    rate_floor: int = 600  # … if a key makes at least so many calls in it …
    rate_floor_session: int = 120  # … or a session so many …
    rate_usd: str = "1.00"  # … which have cost at least this
    rate_learn_s: float = 7200.0  # how long a key is known before it has a usual rate
    rate_learn_session_s: float = 600.0  # and a session
    cut_s: float = 7200.0  # how long one request stays cut; twice as long each time it comes again
    cut_wide_s: float = 300.0  # how long a conversation, a session or a whole key stays cut
    cut_storm_s: float = 30.0  # how long a storm's key stays cut
    exempt: list[str] = []  # what is never judged: `feature=evals`, `agent=sampler`, `credential_id=vk_…`


MONEY_FIELDS = ("repeat_usd", "truncated_usd", "rate_usd")
COUNT_FIELDS = (
    "repeats",
    "repeats_unpriced",
    "repeats_failed",
    "repeats_again",
    "truncated",
    "growing",
    "storm",
    "rate_times",
    "rate_floor",
    "rate_floor_session",
)
TIME_FIELDS = ("window_s", "rate_learn_s", "rate_learn_session_s", "cut_s", "cut_wide_s", "cut_storm_s")
EXEMPT_BY = ("credential_id", "feature", "agent", "session", "request_type", "environment", "model")

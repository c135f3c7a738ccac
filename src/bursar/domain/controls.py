"""Policies, limits and kills as an operator wrote them: plain values that governance keeps and every worker reads.

A match is conditions on what a call is: `{"feature": "checkout", "tag:plan": "free"}` holds where all values are equal;
the empty match holds for every call.
"""

from datetime import datetime
from typing import Literal

import msgspec

from bursar.domain.clock import us_from_datetime
from bursar.domain.tags import DIMENSIONS

TAG_PREFIX = "tag:"
PLACES = ("organization", "scope_team", "project", "credential", "credential_kind")
MATCHED = (*PLACES, *DIMENSIONS, "provider", "model")
"""What a match may name, beside any free tag as `tag:NAME`. `model` is the one that goes out, `provider` whose price
list applies."""

BYTES_PER_TOKEN = 4  # of a cap on input tokens: English prose and JSON; no tokenizer stands in a call's way
CONTROLS_MAX = 10_000  # policies, limits and kills in force, of each: a worker holds them all
MINUTE_S = 60
FOREVER_US = 2**62

Match = dict[str, str]
OnMissing = Literal["reject", "default", "warn"]
OnExcess = Literal["lower", "refuse"]
OnInput = Literal["refuse", "warn"]
OnValue = Literal["reject", "warn"]
Tier = Literal["standard", "flex"]


class PolicyTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a policy says about the calls that it matches. Names of models, providers and regions are patterns
    with `*` and `?`; an empty list says nothing.

    force_models:   request type → the model that is sent instead; `*`: any request type, said or not.
    service_tier:   the tier that is asked for instead: standard, of calls that ask for a dearer one; flex, of all.
    tag_values_max: tag → how many different values a worker takes of it in a UTC day.
    """

    match: Match = {}
    allow_models: tuple[str, ...] = ()
    deny_models: tuple[str, ...] = ()
    allow_providers: tuple[str, ...] = ()
    deny_providers: tuple[str, ...] = ()
    allow_regions: tuple[str, ...] = ()
    deny_regions: tuple[str, ...] = ()
    input_bytes_max: int | None = None
    input_tokens_max: int | None = None  # estimated: BYTES_PER_TOKEN
    on_input_excess: OnInput = "refuse"
    output_tokens_max: int | None = None
    on_output_excess: OnExcess = "lower"
    force_models: dict[str, str] = {}
    service_tier: Tier | None = None
    require_tags: tuple[str, ...] = ()
    on_missing: OnMissing = "reject"
    tag_defaults: dict[str, str] = {}
    tag_values: dict[str, tuple[str, ...]] = {}
    tag_values_max: dict[str, int] = {}
    on_tag_value: OnValue = "reject"

    @property
    def body_bytes_max(self) -> int | None:
        """Both caps on input as one."""
        caps = [self.input_bytes_max, self.input_tokens_max and self.input_tokens_max * BYTES_PER_TOKEN]
        return min((cap for cap in caps if cap), default=None)


class Policy(msgspec.Struct, frozen=True):
    """policy_id: "pl_" and 12 characters. One that is off does nothing; it can be tried against the past."""

    policy_id: str
    name: str
    terms: PolicyTerms
    is_on: bool
    created_us: int
    created_by: str


class LimitTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much the calls it matches may do. each: a dimension or `tag:NAME` whose every value is counted by itself."""

    match: Match = {}
    each: str = ""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


class DraftBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A budget as it is proposed. It refuses nothing (a dry run) until somebody gives it another mode.

    limit: USD as decimal text, for each window: a UTC day, a month, as a budget's window is written.
    """

    limit: str
    match: Match = {}
    window: str = "day"


class Limit(msgspec.Struct, frozen=True):
    """limit_id: "lm_" and 12 characters."""

    limit_id: str
    name: str
    terms: LimitTerms
    created_us: int
    created_by: str


class KillTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is stopped, and why. The empty match is everything. until: when it lapses by itself; None: when lifted."""

    match: Match = {}
    reason: str = ""
    until: datetime | None = None


class Kill(msgspec.Struct, frozen=True):
    """kill_id: "ks_" and 12 characters. name: what is stopped, as people say it."""

    kill_id: str
    name: str
    terms: KillTerms
    created_us: int
    created_by: str

    @property
    def until_us(self) -> int:
        """The first instant at which it stops nothing any more."""
        return FOREVER_US if self.terms.until is None else us_from_datetime(self.terms.until)


def written(match: Match) -> str:
    """A match as people write it: `feature=checkout tag:plan=free`; "everything" for the empty one."""
    return " ".join(f"{name}={value}" for name, value in sorted(match.items())) or "everything"

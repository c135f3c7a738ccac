"""Conversations that send all of their past with each turn, at the full price: what a window of turns saves."""

from decimal import Decimal
from typing import Any

from bursar.advisor.advice import Advice, Draft
from bursar.advisor.drafts import client_draft, draft_name, match_of, policy_draft
from bursar.advisor.families.talks import NO_TALKS, talks
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice
from bursar.domain.controls import PolicyTerms
from bursar.domain.usage import Usage

WINDOW = 8  # turns that are kept, beside the first input
LONG_MIN = 12  # turns of a conversation that has a past
GROWS_MIN = 0.9
CACHED_SHARE_MAX = 0.5  # of the input: above, the past costs a tenth already, and a window would break its cache
DOUBT = 0.1
NEARLY_ALL = 0.99  # of the requests, as they would be
KIB = 1_024


def send_less_history(look: Look) -> list[Advice]:
    """A window for segments whose long conversations grow by every turn."""
    found = []
    for segment, slices in look.segments.items():
        read = sum(one.usage.cache_read for one in slices)
        is_long = look.once("talks", talks).get(segment, NO_TALKS).turns_max >= LONG_MIN
        is_cached = read > CACHED_SHARE_MAX * sum(one.usage.total_input for one in slices)
        if not is_long or is_cached or not look.worth_a_look(segment):
            continue
        claim = look.claim(segment, "session <> ''")
        row = look.ask(_LONG.format(where=claim.sql, base="{base}"), **claim.params)[0]
        if not row["conversations"] or row["grows"] < GROWS_MIN:
            continue
        source = f"({_TURNS.format(where=claim.sql, base='{base}')})"
        turns = look.slice("past > 0", source, {"past": "past"}, **claim.params)
        daily = look.saved(turns, lambda one: _without_past(look, one))
        if not look.is_worth(daily):
            continue
        found.append(
            give(
                look, "history", segment, claim, look.monthly(daily, DOUBT),
                title=f"Send only the last {WINDOW} turns in {segment.name}",
                why=f"{row['conversations']:,} conversations have {LONG_MIN} turns or more, and each turn sends all "
                "before it again: the cost of a conversation grows with the square of its length.",
                change=_change(look, segment, source, claim.params),
                confidence="estimated", effort="medium", risk="high", is_proven=False,
                doubts=(
                    "What falls out of the window may be needed: the ledger can't tell what an answer drew on.",
                    "A prompt cache makes the same past cheap without dropping any of it, where turns come quickly.",
                ),
            )
        )  # fmt: skip
    return found


def _change(look: Look, segment: Segment, turns: str, params: dict[str, Any]) -> Draft:
    """The caller's, and a policy that warns of requests longer than nearly all would be with a window.

    turns: charges with `past`, the tokens that would fall out.
    """
    row = look.ask(
        f"""
        SELECT quantile_disc(round(request_bytes * (total_input - past) / total_input)::BIGINT, {NEARLY_ALL}) AS size
        FROM {turns} WHERE past > 0 AND request_bytes > 0
        """,
        **params,
    )[0]
    before, after = "the whole past with each turn", f"the first input and the last {WINDOW} turns"
    step = "summarise what falls out of the window, or drop it"
    if not row["size"]:
        return client_draft(before, after, step)
    most = -(-int(row["size"]) // KIB) * KIB
    terms = PolicyTerms(match=match_of(look, segment), input_bytes_max=most, on_input_excess="warn")
    warned = f"{after}; a request above {most:,} bytes is warned of in its answer's headers, and goes on"
    return policy_draft(draft_name("history", segment), terms, before, warned, step)


def _without_past(look: Look, one: Slice) -> Decimal | None:
    worth = look.price(one, look.sheet(one), Usage(input=min(one.extra["past"], one.usage.input)))
    return None if worth is None else one.cost - worth


_LONG = f"""
SELECT count(*) FILTER (turns >= {LONG_MIN}) AS conversations,
  coalesce(avg(grows) FILTER (turns >= {LONG_MIN}), 0) AS grows
FROM (
  SELECT session, count(*) AS turns, avg((total_input >= before)::INTEGER) AS grows FROM (
    SELECT session, total_input, lag(total_input) OVER (PARTITION BY session ORDER BY received_at) AS before
    FROM {{base}} WHERE {{where}}
  ) GROUP BY session
)
"""
_TURNS = f"""
SELECT *, greatest(lag(total_input, {WINDOW}) OVER talk - first_value(total_input) OVER talk, 0) AS past
FROM {{base}} WHERE {{where}} WINDOW talk AS (PARTITION BY session ORDER BY received_at)
"""

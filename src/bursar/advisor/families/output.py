"""Output: a cap where it runs away, a larger one where answers are cut off and asked for again, and long answers where
others get by with short ones."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from bursar.advisor.advice import Advice, Claim
from bursar.advisor.drafts import client_draft, draft_name, match_of, policy_draft
from bursar.advisor.giving import give
from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment, Slice
from bursar.domain.controls import PolicyTerms
from bursar.domain.usage import Usage

ANSWERS_MIN = 200  # to know the ninety-ninth of a hundred
HEADROOM = 2  # times the 99th percentile of whole answers: less would cut off answers that are asked for again
STEP = 64  # tokens that a cap is rounded up to
RUNAWAY_SHARE_MIN = 0.8  # of what is above the cap: of answers that were cut off anyway
CUT_OFF_MIN = 10
AGAIN_S = 300
LONGER_MIN = 4.0  # times the middle of the others
LIKE_INPUT = 4.0  # inputs of the others, at most so many times as large or small
DOUBT_LENGTH = 0.2


def cap_output(look: Look) -> list[Advice]:
    """A cap at twice the 99th percentile where answers run on until the model's own end."""
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys}, quantile_disc(output_tokens, 0.99) FILTER (outcome = 'ok') AS most,
          count(*) FILTER (outcome = 'ok') AS answers,
          max(output_tokens) FILTER (outcome = 'truncated') AS longest_cut
        FROM {{base}} WHERE operation = 'chat' GROUP BY ALL
        """
    )
    found = []
    for row in rows:
        segment = Segment(*(row[name] for name in SEGMENT_COLUMNS))
        if row["answers"] < ANSWERS_MIN or not look.worth_a_look(segment):
            continue
        cap = max(-(-HEADROOM * row["most"] // STEP) * STEP, STEP)
        if (row["longest_cut"] or 0) <= cap:
            continue
        claim = look.claim(segment, "output_tokens > $cap", cap=cap)
        extra = {
            "above": f"output_tokens - {cap}",
            "cut": f"CASE WHEN outcome = 'truncated' THEN output_tokens - {cap} ELSE 0 END",
        }
        slices = look.slice(claim.sql, extra=extra, **claim.params)
        above = sum(one.extra["above"] for one in slices)
        if above and sum(one.extra["cut"] for one in slices) >= RUNAWAY_SHARE_MIN * above:
            daily = look.saved(slices, lambda one: _less_output(look, one, one.extra["above"]))
            if look.is_worth(daily):
                found.append(_capped(look, segment, cap, int(row["most"]), claim, daily))
    return found


def _capped(look: Look, segment: Segment, cap: int, most: int, claim: Claim, daily: dict[date, Decimal]) -> Advice:
    terms = PolicyTerms(match=match_of(look, segment), output_tokens_max=cap, on_output_excess="lower")
    return give(
        look, "output_cap", segment, claim, look.monthly(daily),
        title=f"Cap the answers of {segment.name} at {cap:,} tokens",
        why=f"99 of 100 whole answers have at most {most:,} tokens; what is above {cap:,} ran on until it was cut off. "
        "A lower max_tokens holds less of budgets too.",
        change=policy_draft(
            draft_name("cap", segment), terms, "max_tokens as the caller says", f"max_tokens of {cap:,} at most"
        ),
        confidence="measured", effort="low", risk="low",
        doubts=("A whole answer longer than twice nearly all others would be cut off, and may be asked for again.",),
    )  # fmt: skip


def stop_cutting_off(look: Look) -> list[Advice]:
    """Answers that were cut off by max_tokens and asked for again, of the same input, until they were whole."""
    keys = ", ".join(SEGMENT_COLUMNS)
    alike = "feature, session, total_input"  # enough to leave out nearly all that nothing was cut off of
    lost = f"""
        SELECT * FROM (
          SELECT *, lead(outcome) OVER again AS next_outcome,
            epoch(lead(received_at) OVER again) - epoch(received_at) AS gap_s
          FROM {{base}} WHERE ({alike}) IN (SELECT {alike} FROM {{base}} WHERE outcome = 'truncated')
          WINDOW again AS (PARTITION BY {keys}, credential_id, session, consumer_id, total_input ORDER BY received_at)
        ) WHERE outcome = 'truncated' AND next_outcome IN ('ok', 'truncated') AND gap_s <= {AGAIN_S}
    """
    by_segment: dict[Segment, list[Slice]] = defaultdict(list)
    for one in look.slice(source=f"({lost})"):
        by_segment[one.segment].append(one)
    return [
        _cut_off(look, segment, slices, daily)
        for segment, slices in by_segment.items()
        if sum(one.attempts for one in slices) >= CUT_OFF_MIN
        and look.is_worth(daily := look.saved(slices, lambda _: Decimal(0)))
    ]


def _cut_off(look: Look, segment: Segment, slices: list[Slice], daily: dict[date, Decimal]) -> Advice:
    whole = look.claim(segment)
    row = look.ask(
        f"SELECT coalesce(quantile_disc(output_tokens, 0.99) FILTER (outcome = 'ok'), 0) AS most, "
        f"mode(output_tokens) FILTER (outcome = 'truncated') AS cap FROM {{base}} WHERE {whole.sql}",
        **whole.params,
    )[0]
    cap = -(-HEADROOM * row["most"] // STEP) * STEP
    times = sum(one.attempts for one in slices)
    return give(
        look, "output_cut_off", segment, look.claim(segment, "outcome = 'truncated'"), look.monthly(daily),
        title=f"Raise max_tokens of {segment.name}",
        why=f"{times:,} answers were cut off, mostly at {row['cap']:,} tokens, paid for, and asked for again within "
        f"{AGAIN_S // 60} minutes. Whole ones have at most {row['most']:,} in 99 of 100 cases.",
        change=client_draft(
            f"max_tokens of {row['cap']:,}", f"max_tokens of {cap:,}", "if a policy lowers it, raise that one too"
        ),
        confidence="measured", effort="low", risk="low",
        doubts=("Where the first part of an answer was used, it wasn't paid for nothing.",),
    )  # fmt: skip


def shorten_answers(look: Look) -> list[Advice]:
    """Long answers to a request type that is answered shortly elsewhere, of inputs of the same order."""
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys}, count(*) AS calls, quantile_disc(output_tokens - reasoning_tokens, 0.5) AS middle,
          avg(output_tokens - reasoning_tokens) AS average, quantile_disc(total_input, 0.5) AS input
        FROM {{base}} WHERE operation = 'chat' AND outcome = 'ok' AND request_type <> '' GROUP BY ALL ORDER BY ALL
        """
    )
    found = []
    for row in rows:
        others = [
            other for other in rows
            if other["request_type"] == row["request_type"] and other["feature"] != row["feature"]
            and other["calls"] >= ANSWERS_MIN
            and row["input"] / LIKE_INPUT <= other["input"] <= row["input"] * LIKE_INPUT
        ]  # fmt: skip
        segment = Segment(*(row[name] for name in SEGMENT_COLUMNS))
        if not others or row["calls"] < ANSWERS_MIN or not look.worth_a_look(segment):
            continue
        usual = min(others, key=lambda other: other["middle"])
        if row["middle"] >= LONGER_MIN * max(usual["middle"], 1):
            advice = _shortened(look, segment, row, usual)
            found += [advice] if advice is not None else []
    return found


def _shortened(look: Look, segment: Segment, row: dict[str, Any], usual: dict[str, Any]) -> Advice | None:
    claim = look.claim(segment, "operation = 'chat' AND outcome = 'ok'")
    extra = {"visible": "output_tokens - reasoning_tokens"}
    slices = look.slice(claim.sql, extra=extra, **claim.params)

    def otherwise(one: Slice) -> Decimal | None:
        return _less_output(look, one, max(one.extra["visible"] - round(usual["average"] * one.attempts), 0))

    daily = look.saved(slices, otherwise)
    if not look.is_worth(daily):
        return None
    return give(
        look, "output_length", segment, claim, look.monthly(daily, DOUBT_LENGTH),
        title=f"Ask for short answers in {segment.name}",
        why=f"Half of its answers have more than {row['middle']:,} tokens; in {usual['feature'] or 'other calls'} the "
        f"same request type, of inputs like these, is answered in {usual['middle']:,}.",
        change=client_draft(
            f"about {row['average']:.0f} tokens an answer", f"about {usual['average']:.0f}, as there",
            "ask for the answer alone: a label, or a schema (response_format, or a tool's) without prose",
            "then a cap on output at twice the 99th percentile holds it",
        ),
        confidence="estimated", effort="medium", risk="medium",
        doubts=(
            "Both may mean different things by this request type.",
            "What a model writes before its answer may make the answer better.",
        ),
    )  # fmt: skip


def _less_output(look: Look, one: Slice, tokens: int) -> Decimal | None:
    worth = look.price(one, look.sheet(one), Usage(output=tokens))
    return None if worth is None else one.cost - worth

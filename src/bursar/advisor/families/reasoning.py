"""Much reasoning before very short answers: reasoning tokens are billed as output and read by nobody."""

from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import client_draft
from bursar.advisor.giving import give
from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment, Slice
from bursar.domain.usage import Usage

REASONED_MIN = 0.7  # of the output
SHORT_ANSWER = 64  # tokens, nine of ten
SPARED = 2  # half of the reasoning, for want of anything better to go by
DOUBT = 1.0


def reason_less(look: Look) -> list[Advice]:
    """A lower effort, to be tried: how much it spares, and what it does to answers, nobody knows yet."""
    rows = look.ask(
        f"""
        SELECT {", ".join(SEGMENT_COLUMNS)}, SUM(reasoning_tokens) / nullif(SUM(output_tokens), 0) AS share,
          quantile_disc(output_tokens - reasoning_tokens, 0.9) AS visible
        FROM {{base}} WHERE operation = 'chat' AND outcome = 'ok' GROUP BY ALL ORDER BY ALL
        """
    )
    found = []
    for row in rows:
        segment = Segment(*(row[name] for name in SEGMENT_COLUMNS))
        if (row["share"] or 0) < REASONED_MIN or row["visible"] > SHORT_ANSWER or not look.worth_a_look(segment):
            continue
        claim = look.claim(segment, "reasoning_tokens > 0")
        daily = look.saved(look.slice(claim.sql, **claim.params), lambda one: _half(look, one))
        if not look.is_worth(daily):
            continue
        found.append(
            give(
                look, "reasoning", segment, claim, look.monthly(daily, DOUBT),
                title=f"Try less reasoning in {segment.name}",
                why=f"{row['share']:.0%} of its output is reasoning, and nine of ten answers have at most "
                f"{row['visible']:,} tokens. The figure is for half of the reasoning.",
                change=client_draft(
                    "reasoning as it is", "a lower effort",
                    'send "reasoning_effort": "low", or a smaller thinking budget, with a part of the calls first',
                ),
                confidence="estimated", effort="low", risk="medium", is_proven=False,
                doubts=("Short answers may be short because much was reasoned: compare their quality, by feedback.",),
            )
        )  # fmt: skip
    return found


def _half(look: Look, one: Slice) -> Decimal | None:
    sheet = look.sheet(one)
    spared = one.usage.reasoning // SPARED
    worth = look.price(one, sheet, Usage(output=spared, reasoning=spared))
    return None if worth is None else one.cost - worth

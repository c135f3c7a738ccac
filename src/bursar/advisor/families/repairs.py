"""A prompt cache that costs more than it brings, or less than it could: marks that are never read, marks whose time is
too short, and the part of a prompt that breaks it, as the gateway's workers saw it."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec

from bursar.advisor.advice import Advice, Draft, Estimate
from bursar.advisor.drafts import cache_draft, client_draft, draft_name, match_of
from bursar.advisor.families.prompts import DOUBT_FLOOR, GAPS_S, marks_of
from bursar.advisor.giving import give
from bursar.advisor.look import CENT, MONTH_DAYS, SEGMENT_COLUMNS, Look, Segment, Slice, total
from bursar.advisor.prompt_breaks import PromptBreak
from bursar.domain.caching import CacheTerms, PromptCaching
from bursar.domain.usage import Unit, Usage

SHORT_GAPS_MIN = 20  # calls, to say how much of what comes again soon is read
READ_AGAIN_MIN = 0.5
DOUBT_MENDED = Decimal("0.5")  # what was measured is a day or two
TOLD_DAYS = 30  # of what a break costs a month
EVIDENCE_MAX = 4
OWN_MARKS = (
    "leave cache_control out of these requests: Bursar sets its own marks only where there are none, and only on what "
    "comes again; what breaks it is then told on the page Caches"
)
MENDS = {
    "time": "take the time out of {part}, or say it in the last message; a date without its time changes once a day",
    "id": "take the id out of {part}: say it in the last message, or in a field beside the prompt such as metadata",
    "number": "take the number out of {part}, or say it in the last message",
    "whitespace": "write {part} in one place, so that its spaces and line ends are the same each time",
    "reordered": "sort the tools by their names before they are sent",
    "added": "put what is new behind {part}, not before it",
    "removed": "send {part} in each call, also where it isn't needed",
    "trimmed": "cut a long conversation seldom and by much: each cut of its beginning breaks the whole of it",
}
MENDS_ELSE = "put what differs from call to call behind what stays the same: {part} is sent anew with all behind it"


def repair_marks(look: Look) -> list[Advice]:
    """For each segment the one repair that saves most: an hour in place of five minutes, no marks on what is never
    read, or a prompt that stays the same where it now changes."""
    found = []
    for segment, slices in look.segments.items():
        if not look.worth_a_look(segment):
            continue
        written = sum(one.usage.cache_write_5m + one.usage.cache_write_1h for one in slices)
        stopped = _stopped(look, segment) if written else {}
        longer = _with_longer_life(look, segment) if written else {}
        mended = _mended_monthly(look, segment)
        best = max((stopped, longer), key=total)
        if mended >= look.least and mended >= total(best) / look.months:
            found.append(_mend(look, segment, mended))
        elif written and look.is_worth(best):
            found.append(_keep_longer(look, segment, best) if best is longer else _stop(look, segment, best))
    return found


def _stop(look: Look, segment: Segment, daily: Mapping[date, Decimal]) -> Advice:
    terms = CacheTerms(match=match_of(look, segment), prompt=PromptCaching())
    return give(
        look, "cache_repair", segment, look.claim(segment, _CACHED), look.monthly(daily),
        title=f"Stop writing the prompt cache of {segment.name}",
        why="More is written to the provider's cache than is read: what is written is hardly ever read again.",
        change=_by_rule(
            look, segment, terms, "cache_control on parts that differ",
            "let the caller take cache_control off what differs from call to call",
            "no cache_control, or on what stays the same",
        ),
        confidence="measured", effort="low", risk="low", about="stop", evidence=_evidence(look, segment),
        doubts=("What breaks the reuse may be small, such as a time in the system prompt: mended, it saves more.",),
    )  # fmt: skip


def _keep_longer(look: Look, segment: Segment, daily: Mapping[date, Decimal]) -> Advice:
    terms = CacheTerms(match=match_of(look, segment), prompt=PromptCaching(ttl="1h"))
    return give(
        look, "cache_repair", segment, look.claim(segment, _CACHED), look.monthly(daily, DOUBT_FLOOR),
        title=f"Keep the prompt cache of {segment.name} for an hour",
        why="More is written to the provider's cache than is read: the next call mostly comes after five minutes and "
        "within the hour.",
        change=_by_rule(
            look, segment, terms, "cache_control with its five minutes",
            'let the caller mark for an hour itself: "cache_control": {"type": "ephemeral", "ttl": "1h"}',
            'cache_control with "ttl": "1h"',
        ),
        confidence="estimated", effort="low", risk="low", about="1h", evidence=_evidence(look, segment),
        doubts=("What breaks the reuse may be small, such as a time in the system prompt: mended, it saves more.",),
    )  # fmt: skip


def _mend(look: Look, segment: Segment, mended: Decimal) -> Advice:
    places = _places(look, segment)
    half = mended * DOUBT_MENDED
    saving = Estimate(mended.quantize(CENT), (mended - half).quantize(CENT), (mended + half).quantize(CENT))
    worst = places[0]
    return give(
        look, "cache_repair", segment, look.claim(segment), saving,
        title=f"Keep {worst.part} of {segment.name} the same from call to call",
        why="A cache rule looks after these prompts, and a part of them that changes breaks the provider's cache: what "
        "stands behind it is paid in full, though it was sent before.",
        change=client_draft(
            worst.says, f"{worst.part} the same in each call; what differs stands in the last message",
            *(MENDS.get(one.cause, MENDS_ELSE).format(part=one.part) for one in places[:EVIDENCE_MAX]),
        ),
        confidence="estimated", effort="low", risk="low", about="mend", evidence=_evidence(look, segment),
        doubts=(
            "It is what the workers saw since yesterday at the latest, made into a month.",
            "What is moved behind the rest may be heeded more or less by the model there.",
        ),
    )  # fmt: skip


def _by_rule(look: Look, segment: Segment, terms: CacheTerms, before: str, itself: str, after: str) -> Draft:
    """A rule whose marks stand in for the caller's, once these are left out; where none can be set, what the caller
    does itself: `after`. itself: a step."""
    if marks_of(segment) is None:
        return client_draft(before, after, itself)
    rule = cache_draft(draft_name("prompt", segment), terms, before)
    return msgspec.structs.replace(rule, steps=(OWN_MARKS, f"or {itself}"))


def _stopped(look: Look, segment: Segment) -> dict[date, Decimal]:
    kept = look.once("cached", lambda look: look.slice(_CACHED))
    return look.saved((one for one in kept if one.segment == segment), lambda one: _without_marks(look, one))


def _mended_monthly(look: Look, segment: Segment) -> Decimal:
    """What the breaks of a segment's prompts cost a month, as far as their price is known; never above what it costs
    at all."""
    lost = sum((one.usd_a_month or Decimal(0) for one in look.breaks_of(segment)), Decimal(0))
    spent = sum((one.cost for one in look.segments[segment]), Decimal(0))
    return min(lost * MONTH_DAYS / TOLD_DAYS, spent / look.months)


def _places(look: Look, segment: Segment) -> list[PromptBreak]:
    """The dearest first."""
    return sorted(look.breaks_of(segment), key=lambda one: -(one.usd_a_month or Decimal(0)))


def _evidence(look: Look, segment: Segment) -> tuple[str, ...]:
    """Which part breaks the cache, and what that costs a month."""

    def told(one: PromptBreak) -> str:
        costs = "its cost isn't known yet" if one.usd_a_month is None else f"${one.usd_a_month:,.2f} a month"
        return f"{one.says}: {costs}"

    return tuple(told(one) for one in _places(look, segment)[:EVIDENCE_MAX])


def _with_longer_life(look: Look, segment: Segment) -> dict[date, Decimal]:
    """What is saved where marks of five minutes become ones of an hour; nothing where there are none of an hour, or
    where even what comes again within five minutes is hardly read: it isn't the same then."""
    sheet = look.sheet(look.segments[segment][0])
    if sheet is None or Unit.CACHE_WRITE_1H not in sheet.listed:
        return {}
    share = look.once("read again", _shares_read).get(segment, 1.0)
    if share < READ_AGAIN_MIN:
        return {}

    def otherwise(one: Slice) -> Decimal | None:
        written, read = one.usage.cache_write_5m, round(one.extra["late"] * share)
        here = look.price(one, look.sheet(one), Usage(cache_write_5m=written))
        would = look.price(one, look.sheet(one), Usage(cache_read=read, cache_write_1h=written - read))
        return None if would is None or here is None else one.cost - here + would

    late = look.once("late", _late)
    return look.saved((one for one in late if one.segment == segment), otherwise)


def _shares_read(look: Look) -> dict[Segment, float]:
    """Of what comes again within five minutes, which share was read; of segments with enough of it to say."""
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys}, SUM(cache_read_tokens) / nullif(SUM(least(before, kept)), 0) AS share
        FROM ({_MARKED}) WHERE gap_s <= {GAPS_S["5m"]} GROUP BY ALL HAVING count(*) >= {SHORT_GAPS_MIN}
        """
    )
    return {Segment(*(row[name] for name in SEGMENT_COLUMNS)): float(row["share"] or 0) for row in rows}


def _late(look: Look) -> list[Slice]:
    """Calls with marks of five minutes; `late`: tokens that they wrote anew after these, and within the hour."""
    is_late = f"gap_s > {GAPS_S['5m']} AND gap_s <= {GAPS_S['1h']}"
    again = "least(cache_write_5m_tokens, greatest(before - cache_read_tokens, 0))"
    return look.slice(source=f"({_MARKED})", extra={"late": f"CASE WHEN {is_late} THEN {again} ELSE 0 END"})


def _without_marks(look: Look, one: Slice) -> Decimal | None:
    sheet = look.sheet(one)
    here, would = look.price(one, sheet, one.usage), look.price(one, sheet, _plain(one.usage))
    return None if here is None or would is None else one.cost - here + would


def _plain(usage: Usage) -> Usage:
    """The same without any cache."""
    cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    return msgspec.structs.replace(usage, input=usage.input + cached, cache_read=0, cache_write_5m=0, cache_write_1h=0)


_CACHED = "cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens > 0"
_MARKED = f"""
SELECT *, cache_read_tokens + cache_write_5m_tokens AS kept,
  lag(cache_read_tokens + cache_write_5m_tokens) OVER again AS before,
  epoch(received_at) - epoch(lag(received_at) OVER again) AS gap_s
FROM {{base}} WHERE cache_write_5m_tokens + cache_read_tokens > 0
WINDOW again AS (PARTITION BY {", ".join(SEGMENT_COLUMNS)}, session ORDER BY received_at)
"""

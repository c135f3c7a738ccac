"""All advice on a period, by what it saves; and what it saves together, each charge counted once."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bursar.advisor.advice import Advice
from bursar.advisor.families import FAMILIES
from bursar.advisor.look import CENT, DAYS_MIN, SEGMENT_COLUMNS, Look

ADVICE_MAX = 100


class Ranked(msgspec.Struct, frozen=True):
    """An advice in its place. net: what it adds to those before it, USD a month; None: it is in no total."""

    advice: Advice
    net: Decimal | None


class Review(msgspec.Struct, frozen=True):
    """Advice by what it saves, largest first; what needs a trial first after what doesn't, pointers last.

    total: USD a month of what is proven, overlaps removed. spent: of the charges looked at, in the period.
    days: looked at. too_short: too few of them to advise anything.
    """

    ranked: list[Ranked]
    total: Decimal
    spent: Decimal
    days: Decimal
    too_short: bool

    def one(self, advice_id: str) -> Advice | None:
        """The advice of that id."""
        return next((row.advice for row in self.ranked if row.advice.id == advice_id), None)


def review(look: Look) -> Review:
    """Ask every family, and rank what they give."""
    if len({one.day for one in look.slices}) < DAYS_MIN:
        return Review([], Decimal(0), look.spent, look.days, True)
    found = [one for family in FAMILIES for one in family(look)]
    ordered = sorted(found, key=_place)[:ADVICE_MAX]
    ranked = [Ranked(one, net) for one, net in zip(ordered, _nets(look, ordered), strict=True)]
    together = sum((row.net for row in ranked if row.net is not None), Decimal(0))
    return Review(ranked, together, look.spent, look.days, False)


def _place(one: Advice) -> tuple[bool, bool, Decimal, str]:
    saving = one.saving.expected if one.saving is not None else Decimal(0)
    return one.saving is None, not one.is_proven, -saving, one.id


def _nets(look: Look, ordered: Sequence[Advice]) -> list[Decimal | None]:
    """What each saves of charges that none before it claims, in proportion to what they cost.

    A charge counts for the first claim on it. That is rather too little than too much: half price by a batch on top of
    a cheaper model still saves something, which is left out here.
    """
    nets: list[Decimal | None] = [None] * len(ordered)
    counted = [at for at, one in enumerate(ordered) if one.is_proven and one.saving is not None]
    by_segment: dict[tuple[str, ...], list[int]] = {}
    for at in counted:
        by_segment.setdefault(ordered[at].claim.about, []).append(at)
    apart = by_segment if () not in by_segment else {(): counted}  # claims on two segments share no charge
    for about, places in apart.items():
        for at, net in zip(places, _shared_out(look, about, [ordered[at] for at in places]), strict=True):
            nets[at] = net
    return nets


def _shared_out(look: Look, about: tuple[str, ...], ordered: Sequence[Advice]) -> list[Decimal]:
    """The same of advice whose claims may be on the same charges. about: all on this segment; (): on any."""
    savings = [one.saving.expected for one in ordered if one.saving is not None]
    if about and len(ordered) == 1:
        return savings
    counted = range(len(ordered))
    flags = ", ".join(f"({ordered[at].claim.sql}) AS b{at}" for at in counted)
    first = " ".join(f"WHEN b{at} THEN {at}" for at in counted)
    wholes = ", ".join(f"coalesce(SUM(cost) FILTER (b{at}), 0) AS w{at}" for at in counted)
    params = {name: value for at in counted for name, value in ordered[at].claim.params.items()}
    segment = dict(zip(SEGMENT_COLUMNS, about, strict=False))
    where = " AND ".join(f"{name} = $of_{name}" for name in segment) or "true"
    params |= {f"of_{name}": value for name, value in segment.items()}
    rows = look.ask(
        f"SELECT CASE {first} ELSE -1 END AS first, SUM(cost) AS cost, {wholes} "
        f"FROM (SELECT cost, {flags} FROM {{base}} WHERE {where}) GROUP BY 1",
        **params,
    )
    own = {int(row["first"]): Decimal(row["cost"]) for row in rows}
    nets = []
    for at, saving in enumerate(savings):
        whole = sum((Decimal(row[f"w{at}"]) for row in rows), Decimal(0))
        share = own.get(at, Decimal(0)) / whole if whole else Decimal(0)
        nets.append((saving * share).quantize(CENT))
    return nets

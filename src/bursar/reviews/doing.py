"""What is to be done: budgets, anomalies, initiatives, advice, and decisions that wait for somebody."""

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

from bursar.explore.filters import Filter
from bursar.reviews.facts import AnomalyFact, BudgetFact, Facts, InitiativeFact, Opens
from bursar.reviews.said import Said, Tone
from bursar.reviews.words import Words

NEAR = Decimal("0.8")  # of a limit
OVER_LEAST = Decimal("0.50")  # USD beyond the expected, of an anomaly that is over


def budgets(facts: Facts, words: Words) -> Iterator[Said]:
    """Those past four fifths of their limit, those that will be exhausted, and every overrun."""
    for one in facts.budgets:
        if one.used < NEAR and not one.overrun and one.exhausted_on is None:
            continue
        of = f" of {one.value}" if one.value else ""
        text = f"The budget {one.name}{of} has used {words.share(one.spent, one.limit)} of {words.money(one.limit)}"
        if one.exhausted_on is not None:
            text += f" and will be exhausted on {one.exhausted_on:%-d %B} at this pace"
        if one.overrun:
            text += f"; {words.money(one.overrun)} above it, by bills larger than their holds"
        is_bad = one.used >= 1 or bool(one.overrun) or one.exhausted_on is not None
        yield Said(f"{text}.", _budget(one), one.spent, "bad" if is_bad else "plain")


def anomalies(facts: Facts, words: Words) -> Iterator[Said]:
    """What was out of the ordinary, and how it ended; what was over with some cents is no news."""
    for one in facts.anomalies:
        if not one.is_open and abs(one.excess) < OVER_LEAST and not one.label:
            continue
        text = f"{one.title}, since {one.began:%-d %B}: {_than_expected(one, words)}{_end(one, words)}."
        yield Said(
            f"{text} {one.cause}".strip(),
            Opens(f"/anomalies/{one.finding_id}", has_period=False),
            one.excess,
            "bad" if one.is_open and one.label not in ("false", "expected") else "plain",
        )


def initiatives(facts: Facts, words: Words) -> Iterator[Said]:
    """What each one has brought, against what it should, and what speaks against it."""
    for one in facts.initiatives:
        yield Said(_initiative(one, words), Opens(f"/initiatives/{one.initiative_id}", has_period=False),
                   one.realised, _tone(one))  # fmt: skip


def advice(facts: Facts, words: Words) -> Iterator[Said]:
    """The changes worth most, beside one another."""
    for one in facts.advised:
        opens = Opens("/advice", extra=(("#", one.advice_id),), has_period=False)
        if one.monthly is None and one.low is not None and one.high is not None:
            yield Said(
                f"{one.title}: {words.money(one.low)} to {words.money(one.high)} a month if it proves good enough; "
                f"{one.effort}.",
                opens,
            )
            continue
        if one.monthly is None:
            yield Said(f"{one.title} (no figure is claimed; {one.effort}).", opens)
            continue
        between = ""
        if one.low is not None and one.high is not None and one.low != one.high:
            between = f", between {words.money(one.low)} and {words.money(one.high)}"
        yield Said(
            f"{one.title}: {words.money(one.monthly)} a month{between}; {one.confidence}, {one.effort}.",
            opens,
            one.monthly,
            "good",
        )


def waiting(facts: Facts, words: Words) -> Iterator[Said]:
    """Decisions that nobody has taken yet."""
    for one in facts.waiting:
        yield Said(one.text, one.opens, one.money)
    unowned = [one for one in facts.features if not one.keys[0] and one.now.cost]
    for group in unowned:
        if facts.now.cost and group.now.cost * 20 >= facts.now.cost:
            yield Said(
                f"{words.money(group.now.cost)}, {words.share(group.now.cost, facts.now.cost)} of the bill, says no "
                "feature: whose is it?",
                Opens("/explore", (Filter("feature", ("",)),), (("by", "credential_id"),)),
                group.now.cost,
            )


def outlook(facts: Facts, words: Words) -> Iterator[Said]:
    """What the month will have cost."""
    if facts.outlook is None:
        return
    one = facts.outlook
    error = "" if one.error is None else f" (forecasts like it were {words.share(one.error, Decimal(1))} off)"
    if one.low is None or one.high is None:
        band = ", as far as so short a history tells"
    else:
        band = f", with four chances in five between {words.money(one.low)} and {words.money(one.high)}"
    yield Said(
        f"The running month will end at {words.money(one.expected)}{band}{error}.",
        Opens("/forecast", has_period=False),
        one.expected,
    )


def _budget(one: BudgetFact) -> Opens:
    return Opens(f"/budgets/{quote(one.name, safe='')}", has_period=False)


def _than_expected(one: AnomalyFact, words: Words) -> str:
    return f"{words.money(abs(one.excess))} {'less' if one.excess < 0 else 'more'} than expected"


def _end(one: AnomalyFact, words: Words) -> str:
    if one.label == "expected":
        return ", as was expected"
    if one.label == "false":
        return ", said to be a false alarm"
    if not one.is_open:
        return ", and over by now"
    return "" if one.per_month is None else f", {words.money(one.per_month)} a month if it goes on"


def _initiative(one: InitiativeFact, words: Words) -> str:
    if one.realised is None:
        text = f"{one.name} ({one.owner}) is {one.status}; nothing can be measured of it yet"
    else:
        text = f"{one.name} ({one.owner}) has saved {words.money(one.realised)}"
        if one.target:
            text += f", {words.share(one.realised, one.target)} of its target of {words.money(one.target)}"
    flags = f". But {'; '.join(one.flags)}" if one.flags else ""
    return f"{text}{flags}."


def _tone(one: InitiativeFact) -> Tone:
    if one.flags or (one.realised is not None and one.realised < 0):
        return "bad"
    return "good" if one.realised else "plain"

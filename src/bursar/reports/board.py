"""The board report: four pages in plain words. What was spent, on what, how it is kept in hand, what it earns.

Source of what it should say: the seed's "what does the board see", docs/reports.md.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from bursar.domain import display
from bursar.reports import charts
from bursar.reports.blocks import Block, Cell, Column, Figure, Figures, Line, Page, Prose, Report, Table, Tone, totalled
from bursar.reports.pack import cut
from bursar.reviews import doing, growth, spending, waste
from bursar.reviews.compose import alone
from bursar.reviews.facts import Facts, Group, Opens
from bursar.reviews.said import Said, ranked
from bursar.reviews.words import Words

ROWS = 8
BARS = 7
FINANCE_ROWS = 5
MONTHS_FOR_A_CHART = 2


class Step(msgspec.Struct, frozen=True):
    """Where the organization stands on the six steps of maturity. number: 0 (none) to 6."""

    number: int
    name: str
    next_act: str = ""


class BoardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the report is made from. facts: of the month, as the monthly review has them.

    finance: blocks that finance adds, each from its own room: margin, contracts, reconciliation, tax.
    """

    organization: str
    state: str
    facts: Facts
    step: Step | None = None
    margin: tuple[Block, ...] = ()
    finance: tuple[Block, ...] = ()
    month_labels: tuple[str, ...] = ()


def board(made: BoardFacts, words: Words, address: Callable[[Opens], str]) -> Report:
    """address: of the console's page behind a sentence, with its host."""
    facts = made.facts

    def prose(title: str, said: Sequence[Said], nothing: str) -> Prose:
        return Prose(title, tuple(Line(one.text, one.tone, address(one.opens)) for one in said), nothing)

    spent = Page(
        "",
        (
            _headline(made, words),
            *_months(made),
            prose("What happened", (*spending.totals(facts, words), *doing.outlook(facts, words))[:5],
                  "No call came in this month."),
        ),
    )  # fmt: skip
    moved = [*spending.movers(facts.features, facts, words), *spending.movers(facts.models, facts, words)]
    where = Page(
        "Where it goes",
        (
            *_largest(facts, words),
            groups_table("By feature", "feature", facts.features, facts, words),
            groups_table("By model", "model", facts.models, facts, words, 5),
            prose(
                "What moved",
                ranked(moved, 3),
                alone(facts) or f"Nothing moved by more than a hundredth of the bill against {facts.before}.",
            ),
        ),
    )
    hand = Page(
        "Kept in hand",
        (
            *_budgets(facts, words),
            prose(
                "Anomalies and their ends", ranked(doing.anomalies(facts, words), 4), "Nothing was out of the ordinary."
            ),
            prose(
                "Paid for nothing",
                ranked(waste.wasted(facts, words), 3),
                "Nothing worth a sentence was paid for nothing.",
            ),
            prose("Savings under way", ranked(doing.initiatives(facts, words), 4), "No initiative is under way."),
            *_step(made),
            prose("Decisions to take", ranked(doing.waiting(facts, words), 4), "Nothing waits for a decision."),
        ),
    )
    earned = Page(
        "What it earns, what is owed",
        (
            *(_short(block) for block in (made.margin or (_no_margin(),))),
            *(_short(block) for block in made.finance),
            prose("Unit costs", ranked(growth.unit_costs(facts, words), 3), "No call came in this month."),
        ),
    )
    return Report(
        "AI spend: report to the board", made.organization, facts.period, made.state, _lead(facts, words),
        (spent, where, hand, earned), words.locale, words.currency,
    )  # fmt: skip


def groups_table(
    title: str, dimension: str, groups: Sequence[Group], facts: Facts, words: Words, most: int = ROWS
) -> Table:
    """The largest groups, the others as one row, and the month's total; the rows add up to it."""
    columns = (
        Column(dimension.capitalize()), Column("This month", "money"), Column("Month before", "money"),
        Column("Change", "change"), Column("Share", "share"), Column("Calls", "count"),
    )  # fmt: skip
    ordered = sorted(groups, key=lambda group: -group.now.cost)
    rows = [_group_row(words.name(dimension, one.keys[0]), one, facts) for one in ordered[:most]]
    rest = _rest(ordered[:most], facts)
    if rest is not None:
        rows.append(rest)
    total = (*totalled(columns[:3], [row[:3] for row in rows]), None, None, facts.now.calls)
    return Table(title, columns, tuple(rows), total, name=title)


def _group_row(name: str, group: Group, facts: Facts) -> tuple[Cell, ...]:
    now, before = group.now.cost, group.before.cost
    return (name, now, before, _change(now, before), _share(now, facts.now.cost), group.now.calls)


def _rest(shown: Sequence[Group], facts: Facts) -> tuple[Cell, ...] | None:
    now = facts.now.cost - sum((one.now.cost for one in shown), Decimal(0))
    before = facts.then.cost - sum((one.before.cost for one in shown), Decimal(0))
    calls = facts.now.calls - sum(one.now.calls for one in shown)
    if not now and not before and not calls:
        return None
    return ("All others", now, before, _change(now, before), _share(now, facts.now.cost), calls)


def _headline(made: BoardFacts, words: Words) -> Figures:
    facts = made.facts
    now, then, per_call = facts.now, facts.then, facts.now.per_call
    before = words.than(now.cost, then.cost, f"in {facts.before}") if then.attempts else "nothing to compare with"
    tone: Tone = "bad" if then.cost and now.cost > then.cost * Decimal("1.1") else "plain"
    figures = [Figure("Spent", words.money(now.cost), before, tone)]
    if facts.outlook is not None:
        band = "too little history for a band"
        if facts.outlook.low is not None:
            band = f"{words.money(facts.outlook.low)} to {words.money(facts.outlook.high)}, four times in five"
        figures.append(Figure("Month will end near", words.money(facts.outlook.expected), band))
    figures.append(
        Figure("Saved", words.money(now.saved), "by caches, routes and batches", "good" if now.saved > 0 else "plain")
    )
    per_thousand = None if per_call is None else per_call * 1000
    unpriced = f"{words.attempts(now.unpriced)} without a price" if now.unpriced else "every attempt has a price"
    figures.append(
        Figure("A thousand calls cost", words.money(per_thousand), unpriced, "bad" if now.unpriced else "plain")
    )
    return Figures(tuple(figures))


def _lead(facts: Facts, words: Words) -> str:
    if not facts.now.attempts and not facts.then.attempts:
        return "Nothing to report: no call came."
    change = f", {words.than(facts.now.cost, facts.then.cost, f'in {facts.before}')}" if facts.then.attempts else ""
    return f"{words.money(facts.now.cost)} went to AI models{change}."


def _months(made: BoardFacts) -> tuple[Block, ...]:
    months = made.facts.months
    if len(months) < MONTHS_FOR_A_CHART:
        return ()
    labels = made.month_labels or tuple(f"{one.first:%b %Y}" for one in months)
    outlook = made.facts.outlook
    running = None
    if outlook is not None:  # without a band only the amount
        low, high = outlook.low, outlook.high
        running = (
            outlook.expected if low is None else low,
            outlook.expected,
            outlook.expected if high is None else high,
        )
    return (charts.months([(label, one.spend.cost) for label, one in zip(labels, months, strict=True)], running),)


def _largest(facts: Facts, words: Words) -> tuple[Block, ...]:
    ordered = sorted(facts.features, key=lambda group: -group.now.cost)[:BARS]
    if len(ordered) < MONTHS_FOR_A_CHART:
        return ()
    values = [(words.name("feature", one.keys[0]), one.now.cost, one.before.cost) for one in ordered]
    return (charts.bars("The largest features", values),)


def _budgets(facts: Facts, words: Words) -> tuple[Block, ...]:
    columns = (
        Column("Budget"), Column("Spent and held", "money"), Column("Limit", "money"), Column("Used", "share"),
        Column("Runs out"),
    )  # fmt: skip
    fullest = sorted(facts.budgets, key=lambda one: -one.used)[:ROWS]
    rows: list[tuple[Cell, ...]] = [
        (
            f"{one.name} ({one.value})" if one.value else one.name, one.spent, one.limit, one.used,
            "" if one.exhausted_on is None else display.day(one.exhausted_on),
        )
        for one in fullest
    ]  # fmt: skip
    if not rows:
        return (Prose("Budgets", (Line("No budget is set: nothing stops a bill from growing.", "bad"),)),)
    note = f"The fullest of {len(facts.budgets)}." if len(facts.budgets) > len(rows) else ""
    return (Table("Budgets", columns, tuple(rows), note=note),)


def _step(made: BoardFacts) -> tuple[Block, ...]:
    if made.step is None:
        return ()
    stands = (
        f"Step {made.step.number} of 6 is reached: {made.step.name}." if made.step.number else "No step is reached yet."
    )
    lines = [Line(stands)]
    if made.step.next_act:
        lines.append(Line(f"Next: {made.step.next_act}"))
    return (Prose("Maturity", tuple(lines)),)


def _short(block: Block) -> Block:
    """A block that leaves room for the others: four pages are promised."""
    match block:
        case Table() if block.title == "Tax to settle":  # a row for each section, seven at most
            return block
        case Table() if block.total is not None:
            return cut(block, FINANCE_ROWS)
        case Table() if len(block.rows) > FINANCE_ROWS:
            more = f"{len(block.rows) - FINANCE_ROWS} more are in the finance pack."
            return msgspec.structs.replace(block, rows=block.rows[:FINANCE_ROWS], note=f"{more} {block.note}".strip())
        case Prose():
            return msgspec.structs.replace(block, lines=block.lines[:3])
        case _:
            return block


def _no_margin() -> Prose:
    text = (
        "No customers, plans or prices were brought in, so what the models earn isn't known (docs/unit-economics.md)."
    )
    return Prose("Margin", (Line(text),))


def _change(now: Decimal, before: Decimal) -> Decimal | None:
    return None if not before else (now - before) / before


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return None if not whole else part / whole

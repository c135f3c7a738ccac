"""The two reviews: which sections, in which order, how long each should take."""

from bursar.domain import display
from bursar.reviews import doing, growth, spending, waste
from bursar.reviews.facts import Facts
from bursar.reviews.said import Review, Section, ranked
from bursar.reviews.words import Words

MOST = 5  # sentences of a section


def compose(facts: Facts, words: Words) -> Review:
    """The review that the facts make."""
    sections = weekly(facts, words) if facts.kind == "weekly" else monthly(facts, words)
    title = "Weekly review" if facts.kind == "weekly" else "Monthly review"
    lead_line = lead(facts, sections, words)
    if not facts.now.attempts and not facts.then.attempts and not any(section.said for section in sections):
        sections = ()
    before = facts.before if facts.then.attempts else ""
    return Review(facts.kind, title, facts.period, before, lead_line, sections)


def weekly(facts: Facts, words: Words) -> tuple[Section, ...]:
    """Ten minutes."""
    unmoved = alone(facts) or f"No feature moved by more than a hundredth of the bill against {facts.before}."
    return (
        Section("What was spent", 1, "No call came in this week.", tuple(spending.totals(facts, words))),
        Section(
            "Retries and other waste", 2, "Nothing worth a sentence was paid for nothing.",
            ranked([*waste.wasted(facts, words), *waste.repeats(facts, words)], MOST),
        ),
        Section(
            "Answers and prompts that grew", 1, "No feature's calls grew by more than a seventh and cost more for it.",
            ranked(growth.grew(facts, words), MOST),
        ),
        Section(
            "Prompts that dominate the bill", 1, "No prompt has a tenth of the bill.",
            ranked(growth.dominating(facts, words), MOST),
        ),
        Section(
            "What changed", 2, unmoved,
            ranked([*spending.movers(facts.features, facts, words), *doing.anomalies(facts, words)], MOST),
        ),
        Section(
            "What to do", 3, "Nothing waits for you.",
            (
                *ranked(doing.budgets(facts, words), 3),
                *ranked(doing.waiting(facts, words), MOST),
                *ranked(doing.advice(facts, words), 3),
            ),
        ),
    )  # fmt: skip


def monthly(facts: Facts, words: Words) -> tuple[Section, ...]:
    """Thirty minutes."""
    unmoved = alone(facts) or f"Nothing moved by more than a hundredth of the bill against {facts.before}."
    moved = [
        *spending.movers(facts.features, facts, words),
        *spending.movers(facts.models, facts, words),
        *spending.movers(facts.customers, facts, words),
    ]
    return (
        Section(
            "Trend", 4, "No call came in this month.",
            (*spending.totals(facts, words), *spending.trend(facts.months, words), *doing.outlook(facts, words)),
        ),
        Section(
            "Drivers", 5, unmoved,
            ranked([*moved, *growth.grew(facts, words)], 2 * MOST),
        ),
        Section(
            "Anomalies and their ends", 3, "Nothing was out of the ordinary.",
            ranked(doing.anomalies(facts, words), MOST),
        ),
        Section(
            "Waste", 2, "Nothing worth a sentence was paid for nothing.",
            ranked([*waste.wasted(facts, words), *waste.repeats(facts, words)], MOST),
        ),
        Section(
            "Budgets", 3, "No budget is near its limit.", ranked(doing.budgets(facts, words), MOST)
        ),
        Section(
            "Unit costs", 3, "No call came in this month.",
            ranked([*growth.unit_costs(facts, words), *growth.dominating(facts, words)], MOST + 1),
        ),
        Section(
            "Initiatives", 4, "No initiative is under way.", ranked(doing.initiatives(facts, words), 2 * MOST)
        ),
        Section(
            "Next optimization", 3, "No advice has a figure on it.", ranked(doing.advice(facts, words), MOST)
        ),
        Section("Decisions to take", 3, "Nothing waits for you.", ranked(doing.waiting(facts, words), MOST)),
    )  # fmt: skip


def alone(facts: Facts) -> str:
    """Why there is nothing to compare with; "" where there is."""
    if facts.then.attempts:
        return ""
    said = f"{facts.before} isn't whole in the books" if facts.is_before_cut else f"no call came in {facts.before}"
    return display.sentence(f"{said}, so there is nothing to compare with.")


def lead(facts: Facts, sections: tuple[Section, ...], words: Words) -> str:
    """The whole of it in one sentence; where there is nothing to report, it says that."""
    if not facts.now.attempts and not facts.then.attempts:
        return "Nothing to report: no call came."
    spent = f"{words.money(facts.now.cost)} spent"
    change = f", {words.than(facts.now.cost, facts.then.cost, f'in {facts.before}')}" if facts.then.attempts else ""
    bad = [one for section in sections[1:] for one in section.said if one.tone == "bad"]
    waits = len(list(doing.waiting(facts, words)))
    if not bad and waits:
        return f"{spent}{change}; {'one decision waits' if waits == 1 else f'{waits} decisions wait'}."
    if not bad:
        return f"{spent}{change}; nothing needs you."
    count = "one thing needs" if len(bad) == 1 else f"{len(bad)} things need"
    return f"{spent}{change}; {count} a look."

"""What passes, fails or can't be seen; where that places a company; and that nobody's word replaces a measure."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.maturity.facts_made import BILLS, BOOKS, DISCIPLINED, NOW_US, SETTINGS, said

from bursar.domain.errors import BadEvidence
from bursar.finance.reconcile.book import Invoice
from bursar.finance.reconcile.desk import Summary
from bursar.governance.maturity import Evidence, Logged
from bursar.maturity.acts import climb
from bursar.maturity.bills import bill_facts, newest_month
from bursar.maturity.debt import debts
from bursar.maturity.evidence import BY_PERSON, DAY_US, check_evidence
from bursar.maturity.facts import Advised, AlertFacts, AuditFacts, Books, Facts, InitiativeFacts, Part, percent
from bursar.maturity.measure import Result, measure
from bursar.maturity.place import place, since, turns
from bursar.maturity.steps import CHECKS, Check
from bursar.maturity.words import threshold_words, value_words

replace = msgspec.structs.replace


def result_of(facts: Facts, check_id: str) -> Result:
    return next(one for one in measure(facts) if one.check.id == check_id)


def books(**changes: object) -> Facts:
    return replace(DISCIPLINED, books=replace(BOOKS, **changes))


def part(name: str, spent: int) -> Facts:
    return books(parts=BOOKS.parts | {name: Part(Decimal(spent), 10 * spent)})


def settings(**changes: object) -> Facts:
    return replace(DISCIPLINED, settings=replace(SETTINGS, **changes))


def alerts(**changes: object) -> Facts:
    return settings(alerts=replace(SETTINGS.alerts, **changes))


def test_a_company_that_does_all_of_it_is_on_the_last_step_and_owes_nothing():
    results = measure(DISCIPLINED)
    assert [one.check.id for one in results if one.state != "passed"] == []
    found = place(results)
    assert (found.step.number, found.next, found.missing) == (6, None, [])
    assert climb(DISCIPLINED, found) == []
    assert {one.state for one in debts(DISCIPLINED, results)} == {"clear"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
@pytest.mark.parametrize("state", ["failed", "unseen"])
def test_a_check_that_does_not_pass_loses_its_own_step_and_all_above(check: Check, state):
    results = [replace(one, state=state) if one.check is check else one for one in measure(DISCIPLINED)]
    found = place(results)
    if not check.is_required:
        assert found.step.number == 6
        return
    assert found.step.number == check.step - 1
    assert found.next is not None
    assert [one.check.id for one in found.missing] == [check.id]
    assert [one.act.id for one in climb(DISCIPLINED, found)] == [check.act]


@pytest.mark.parametrize(
    ("facts", "check_id", "state"),
    [
        (books(days=2), "days_seen", "failed"),
        (replace(DISCIPLINED, at_us=NOW_US + 8 * DAY_US), "still_seen", "failed"),
        (books(unpriced=11), "priced", "failed"),
        (books(unpriced=10), "priced", "passed"),
        (books(doubtful=101), "usage_known", "failed"),
        (part("budgeted", 89), "spend_capped", "failed"),
        (part("budgeted", 90), "spend_capped", "passed"),
        (part("limited", 50), "answers_limited", "failed"),
        (settings(loops_cut=False), "loops_cut", "failed"),
        (alerts(spend=0), "spend_watched", "failed"),
        (alerts(silent=1), "alerts_reach", "failed"),
        (alerts(is_on=False), "spend_watched", "failed"),
        (alerts(is_on=False), "alerts_reach", "failed"),
        (part("feature", 80), "tag_feature", "failed"),
        (part("team", 80), "tag_team", "failed"),
        (part("environment", 80), "tag_environment", "failed"),
        (part("whom", 79), "tag_whom", "failed"),
        (part("owned_keys", 0), "keys_owned", "failed"),
        (books(caches=Decimal(1)), "caching", "failed"),
        (books(caches=Decimal(-1)), "caching", "failed"),
        (books(levers=Decimal(1)), "levers", "failed"),
        (books(retries=Decimal(6)), "retries_low", "failed"),
        (replace(DISCIPLINED, initiatives=InitiativeFacts(0, 0)), "initiative_running", "failed"),
        (replace(DISCIPLINED, initiatives=InitiativeFacts(1, 0)), "initiative_measured", "failed"),
        (part("chosen", 10), "models_limited", "failed"),
        (part("required", 10), "tags_required", "failed"),
        (alerts(tags=0), "tags_watched", "failed"),
        (settings(owned=1), "budgets_owned", "failed"),
        (settings(budgets=0, owned=0), "budgets_owned", "unseen"),
        (alerts(answered=4), "alerts_answered", "failed"),
        (alerts(raised=0, answered=0), "alerts_answered", "passed"),
        (settings(audit=AuditFacts(30, 7)), "audit_kept", "failed"),
        (settings(audit=AuditFacts(0)), "audit_kept", "failed"),
        (settings(weekly_us=None), "weekly_review", "unseen"),
        (settings(weekly_us=NOW_US - 15 * DAY_US), "weekly_review", "failed"),
        (settings(monthly_us=NOW_US - 46 * DAY_US), "monthly_review", "failed"),
        (replace(DISCIPLINED, initiatives=InitiativeFacts(1, 1, 3, 1)), "savings_booked", "failed"),
        (replace(DISCIPLINED, initiatives=InitiativeFacts(1, 1, 0, 0)), "savings_booked", "failed"),
        (alerts(forecast=0), "forecast_watched", "failed"),
        (part("customer", 79), "unit_costs", "failed"),
    ],
)  # fmt: skip
def test_each_check_turns_where_it_should(facts: Facts, check_id: str, state: str):
    found = result_of(facts, check_id)
    assert found.state == state
    assert found.said


def test_advice_that_finds_nothing_is_as_good_as_a_saving_and_a_loss_is_none():
    nothing = Advised(NOW_US, Decimal(0), Decimal("0.50"), Decimal(100))
    off = books(caches=Decimal(0), levers=Decimal(0))
    assert [result_of(off, name).state for name in ("caching", "levers")] == ["failed", "failed"]
    known = replace(off, advised=nothing)
    assert [result_of(known, name).state for name in ("caching", "levers")] == ["passed", "passed"]
    much = replace(off, advised=replace(nothing, caches=Decimal(2), total=Decimal(9)))
    assert [result_of(much, name).state for name in ("caching", "levers")] == ["failed", "failed"]
    loses = replace(known, books=replace(off.books, caches=Decimal(-3)))
    assert result_of(loses, "caching").state == "failed"


def test_nothing_was_called_is_not_begun_and_no_share_is_a_zero():
    nothing = Facts(at_us=NOW_US)
    results = measure(nothing)
    found = place(results)
    assert (found.step.number, found.step.name) == (0, "Not begun")
    shares = [one for one in results if one.check.unit == "%"]
    of_calls = [one for one in shares if one.check.id != "alerts_answered"]
    assert {(one.state, one.value) for one in of_calls} == {("unseen", None)}
    assert [one.act.id for one in climb(nothing, found)] == ["send_calls", "price_models", "report_usage"]
    assert [one.money.amount for one in climb(nothing, found)][:2] == [None, None]  # unknown, not 0


def test_one_call_is_no_company_however_well_it_is_tagged():
    one = replace(
        DISCIPLINED,
        books=replace(
            BOOKS, whole=Part(Decimal(1), 1), days=1, doubtful=0,
            parts={name: Part(Decimal(1), 1) for name in BOOKS.parts},
        ),
    )  # fmt: skip
    found = place(measure(one))
    assert (found.step.number, [missing.check.id for missing in found.missing]) == (0, ["days_seen"])


def test_what_has_no_price_is_told_by_its_calls_and_its_money_is_unknown():
    found = Books(whole=Part(Decimal(0), 10), days=5, unpriced=10, parts={"feature": Part(Decimal(0), 4)})
    unpriced = Facts(at_us=NOW_US, books=found)
    feature = result_of(unpriced, "tag_feature")
    assert (feature.state, feature.value, feature.said) == ("failed", Decimal(40), "6 attempts without a feature")
    owed = {one.debt.id: one for one in debts(unpriced, measure(unpriced))}
    assert [owed[name].money.amount for name in ("unpriced", "untagged", "unbudgeted", "retried")] == [None] * 4
    names = ("retries_low", "caching", "levers")
    assert [result_of(unpriced, name).state for name in names] == ["unseen"] * 3
    free = replace(unpriced, books=replace(found, unpriced=0))  # priced, at nothing
    assert [result_of(free, name).state for name in names] == ["passed"] * 3


def test_only_answers_can_be_limited_so_the_share_is_of_them_alone():
    half = Part(Decimal(50), 500)  # the rest are embeddings and pictures
    facts = books(parts=BOOKS.parts | {"answers": half, "limited": half})
    assert (result_of(facts, "answers_limited").state, result_of(facts, "answers_limited").value) == ("passed", 100)
    none = books(parts=BOOKS.parts | {"answers": Part(), "limited": Part()})
    assert result_of(none, "answers_limited").said == "no call that it could be about"
    assert result_of(none, "answers_limited").state == "passed"


def test_a_debt_is_owed_as_long_as_one_of_its_checks_fails():
    def states(facts: Facts) -> dict[str, str]:
        return {one.debt.id: one.state for one in debts(facts, measure(facts)) if one.state != "clear"}

    assert states(part("team", 50)) == {"untagged": "owed"}
    assert states(alerts(silent=1)) == {"unanswered": "owed"}
    assert states(replace(DISCIPLINED, bills=None)) == {"unreconciled": "unseen"}
    (owed,) = [one for one in debts(part("team", 50), measure(part("team", 50))) if one.state == "owed"]
    assert ([one.check.id for one in owed.by], owed.money.amount) == (["tag_team"], Decimal(50))
    assert owed.money.opens == "/explore?filter=team%3D&filter=scope_team%3D"


@pytest.mark.parametrize(
    ("spoilt", "state", "says"),
    [
        ({}, "passed", "2026-10: 2 of 2 bills compared, last on 2026-11-14; charges explain 97.0 % of $100.00"),
        ({"waiting": 1, "open": Decimal(3)}, "failed", "1 difference waits for a decision"),
        ({"waiting": 2}, "failed", "2 differences wait"),  # that cancel out
        ({"compared": 1}, "failed", "1 of 2 bills compared"),
        ({"compared": 0}, "failed", "could not be compared"),
        ({"billed_spent": Decimal(80)}, "failed", "80 % of what was spent is at providers with a bill"),
        ({"ends": date(2026, 10, 1)}, "failed", "it has been over for 53 days"),
        (None, "unseen", "no bill of a month that is over was taken in"),
    ],
)
def test_invoices_tie_by_what_was_compared_and_decided(spoilt: dict[str, Any] | None, state: str, says: str):
    facts = replace(DISCIPLINED, bills=None if spoilt is None else replace(BILLS, **spoilt))
    found = result_of(facts, "invoices_reconciled")
    assert found.state == state
    assert says in found.said
    if state == "passed":
        assert (found.value, found.opens, found.at_us) == (Decimal(100), "/invoices", BILLS.compared_us)


def test_bills_of_a_month_are_held_against_its_spend_and_the_running_month_waits():
    def bill(provider: str, month: str, **found: Any) -> tuple[Invoice, Summary | None]:
        invoice = Invoice(f"{provider}{month}", provider, "", month, [], None, 0, "ada", "", 7)
        return invoice, Summary(**found) if found else None

    bills = [
        bill("openai", "2026-10", used=10 * 10**12, covered=9 * 10**12, open=-(10**12), open_count=1),
        bill("anthropic", "2026-10"), bill("mistral", "2026-10", fault="no rate"), bill("openai", "2026-11"),
    ]  # fmt: skip
    month = newest_month(bills, date(2026, 11, 23))
    assert month == date(2026, 10, 1)
    assert newest_month(bills[3:], date(2026, 11, 30)) is None
    assert newest_month(bills, date(2026, 12, 1)) == date(2026, 11, 1)
    found = bill_facts(bills, month, {"openai": Decimal(10), "mistral": Decimal(30)})
    assert (found.bills, found.compared, found.used, found.covered) == (3, 1, Decimal(10), Decimal(9))
    assert (found.open, found.waiting, found.compared_us) == (Decimal(1), 1, 7)
    assert (found.spent, found.billed_spent) == (Decimal(40), Decimal(10))


def test_an_unasked_advice_leaves_money_unknown():
    facts = replace(DISCIPLINED, initiatives=InitiativeFacts(), advised=None)
    (act,) = climb(facts, place(measure(facts)))
    assert (act.act.id, act.money.amount) == ("start_initiative", None)
    known = replace(facts, advised=Advised(NOW_US, Decimal(1), Decimal("12.5"), Decimal(100)))
    (act,) = climb(known, place(measure(known)))
    assert (act.money.amount, act.money.is_saving) == (Decimal("12.5"), True)


@pytest.mark.parametrize("check", BY_PERSON, ids=lambda check: check.id)
def test_a_persons_word_holds_until_it_ends_or_is_withdrawn(check: Check):
    def state(*given: Evidence) -> tuple[str, str]:
        found = result_of(replace(DISCIPLINED, evidence=given), check.id)
        return found.state, found.said

    assert state()[0] == "unseen"
    assert state(said(check.id)) == ("passed", "Ada: in the minutes")
    assert state(said(check.id, days_ago=41))[0] == "unseen"
    assert "held until 2026-11-22" in state(said(check.id, days_ago=41))[1]
    withdrawn = state(replace(said(check.id), withdrawn_us=NOW_US - 5))
    assert withdrawn == ("unseen", "Bursar can't see it, and nobody has said it")
    assert state(said(check.id, days_ago=41), said(check.id, number=2))[0] == "passed"
    results = measure(replace(DISCIPLINED, evidence=(said(check.id, days_ago=41),)))
    assert place(results).step.number < 6


def test_nobody_can_declare_what_is_measured_even_where_it_stands_in_the_store():
    spoilt = part("feature", 10)
    declared = replace(spoilt, evidence=(*spoilt.evidence, *(said(check.id) for check in CHECKS)))
    assert place(measure(declared)).step.number == 2
    assert result_of(declared, "tag_feature").state == "failed"


@pytest.mark.parametrize(
    ("check_id", "who", "text", "field"),
    [
        ("tag_feature", "Ada", "all of it is tagged, I swear", "check"),
        ("step", "Ada", "we are on the sixth step", "check"),
        ("", "Ada", "we are on the sixth step", "check"),
        ("roles_agreed", " ", "written in the wiki", "who"),
        ("roles_agreed", "A" * 121, "written in the wiki", "who"),
        ("roles_agreed", "Ada", "yes", "text"),
        ("roles_agreed", "Ada", "x" * 2_001, "text"),
        ("roles_agreed", "Ada", "written in\0the wiki", "text"),
    ],
)  # fmt: skip
def test_what_says_nothing_or_is_measured_is_not_taken(check_id: str, who: str, text: str, field: str):
    with pytest.raises(BadEvidence) as refused:
        check_evidence(check_id, who, text, NOW_US)
    assert refused.value.field == field


def test_a_word_is_taken_for_as_long_as_its_check_says():
    given = check_evidence("finance_joins", " Ada ", " minutes of\n5 November ", NOW_US)
    assert (given.who, given.text, given.until_us) == ("Ada", "minutes of\n5 November", NOW_US + 45 * DAY_US)


def log(*steps: tuple[int, int, dict[str, str]]) -> list[Logged]:
    return [Logged(number, at * DAY_US, step, states, "") for number, (at, step, states) in enumerate(steps, 1)]


def test_turns_say_when_a_step_came_or_went_and_by_which_checks():
    found = turns(log(
        (1, 2, {"tag_feature": "failed", "tag_team": "passed"}), (2, 2, {}),
        (3, 3, {"tag_feature": "passed", "tag_team": "passed", "retries_low": "passed"}),
        (4, 2, {"tag_feature": "unseen", "tag_team": "passed", "retries_low": "passed"}),
    ))  # fmt: skip
    assert [(one.at_us // DAY_US, one.before.number, one.after.number) for one in found] == [(4, 3, 2), (3, 2, 3)]
    assert [one.is_up for one in found] == [False, True]
    assert found[0].because == ["Spend says its feature"]
    assert turns([]) == turns(log((1, 2, {}))) == []


def test_a_check_is_so_since_the_first_note_of_its_last_run():
    one = result_of(DISCIPLINED, "priced")
    noted = log((1, 1, {"priced": "passed"}), (2, 0, {"priced": "failed"}), (3, 1, {"priced": "passed"}),
                (4, 1, {"priced": "passed"}))  # fmt: skip
    assert since(noted, one) == 3 * DAY_US
    assert since(noted[:2], one) is None
    assert since([], one) is None


def test_a_figure_is_never_rounded_over_its_threshold():
    by_id = {check.id: check for check in CHECKS}
    share, days = by_id["tag_feature"], by_id["weekly_review"]
    assert value_words(share, Decimal("89.9999")) == "89.9 %"
    assert value_words(share, Decimal("90.0001")) == "90 %"
    assert value_words(days, Decimal("14.01")) == "14.1 days"
    assert value_words(share, None) == ""
    assert (threshold_words(share), threshold_words(days)) == ("at least 90 %", "at most 14 days")
    assert value_words(by_id["loops_cut"], Decimal(1)) == "on"
    assert threshold_words(by_id["roles_agreed"]) == "a person's word, for 180 days"


def test_a_share_stays_between_nothing_and_all_of_it_whatever_was_corrected():
    assert percent(Decimal(12), Decimal(10)) == 100
    assert percent(Decimal(-1), Decimal(10)) == 0
    assert AlertFacts().silent == 0

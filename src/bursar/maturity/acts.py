"""The acts that climb: at most three to a step, each with its effort, the money it is about, and where it is done."""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from bursar.maturity.coverage import address, opens_without
from bursar.maturity.facts import ZERO, Facts, Part
from bursar.maturity.measure import Result
from bursar.maturity.place import Place

Effort = Literal["minutes", "hours", "days"]
NO_CALLS = "no call was recorded in the last thirty days"


class Money(NamedTuple):
    """What an act is about. amount: USD, None: unknown. says: of what, in words. opens: where the amount opens.

    is_saving: it would be saved, a month, by advice; else it was spent in the last thirty days without the act.
    """

    amount: Decimal | None
    says: str
    opens: str = ""
    is_saving: bool = False


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody does. how: in a sentence. page: where it is done; command: the same on the command line.

    money: by what of the facts its money is found.
    """

    id: str
    step: int
    title: str
    how: str
    effort: Effort
    money: Callable[[Facts], Money]
    page: str = ""
    command: str = ""


class Climb(NamedTuple):
    """An act with the checks that it mends, and its money now."""

    act: Act
    mends: list[Result]
    money: Money


def climb(facts: Facts, stands: Place) -> list[Climb]:
    """The acts to the next step, in their order: all that are needed, and never more than three."""
    needed = dict.fromkeys(one.check.act for one in stands.missing)
    return [
        Climb(act, [one for one in stands.missing if one.check.act == act.id], money_of(facts, act.money))
        for act in ACTS
        if act.id in needed
    ]


def money_of(facts: Facts, find: Callable[[Facts], Money]) -> Money:
    """What an act or a debt is about. Of no calls nothing is known: "nothing says no feature" would read as praise."""
    found = find(facts)
    if found.amount == 0 and not found.is_saving and not facts.books.whole.attempts:
        return Money(None, NO_CALLS)
    return found


def act_of(act_id: str) -> Act:
    return next(act for act in ACTS if act.id == act_id)


def _no_money(says: str) -> Callable[[Facts], Money]:
    return lambda _: Money(None, says)


def unpriced_money(facts: Facts) -> Money:
    """Unknown, with how many attempts it is of."""
    unpriced = facts.books.unpriced
    if not facts.books.whole.attempts:
        return Money(None, NO_CALLS)
    if not unpriced:
        return Money(ZERO, "each attempt has a price", "/prices")
    said = f"nobody knows what {unpriced:,} {'attempt' if unpriced == 1 else 'attempts'} cost"
    return Money(None, said, address("/calls", ["quality=unpriced"]))


def _doubtful(facts: Facts) -> Money:
    opens = address("/calls", ["quality=estimated", "quality=assumed"])
    return _spent(facts.books.part("doubtful"), "is known only roughly", opens)


def spent_without(name: str, says: str) -> Callable[[Facts], Money]:
    """What was spent on calls that no budget or policy of a kind is about."""

    def find(facts: Facts) -> Money:
        missing = facts.books.of(name).without(facts.books.part(name))
        return _spent(missing, says, facts.settings.opens.get(name, ""))

    return find


def all_spent(says: str) -> Callable[[Facts], Money]:
    """What was spent at all."""
    return lambda facts: _spent(facts.books.whole, says, "/explore")


def untagged_money(facts: Facts) -> Money:
    """By the tag that most of the spend lacks: what lacks any of them is no filter of an address."""
    named = {"feature": ("feature",), "team": ("team", "scope_team"), "environment": ("environment",)}
    lacking = {name: facts.books.whole.without(facts.books.part(name)) for name in named}
    worst = max(lacking, key=lambda name: lacking[name].spent)
    return _spent(lacking[worst], f"says no {worst}", opens_without(*named[worst]))


def _for_nobody(facts: Facts) -> Money:
    missing = facts.books.whole.without(facts.books.part("whom"))
    return _spent(missing, "says no customer, user or agent", opens_without("customer", "user", "agent"))


def _on_strange_keys(facts: Facts) -> Money:
    missing = facts.books.whole.without(facts.books.part("owned_keys"))
    return _spent(missing, "is on keys of no team", address("/explore", by="credential_kind"))


def _advised(facts: Facts) -> Money:
    if facts.advised is None:
        return Money(None, "nobody asked for advice lately; it says how much", "/advice")
    return Money(facts.advised.total, "could be saved a month, advice says", "/advice", is_saving=True)


def retried_money(facts: Facts) -> Money:
    """Unknown where nothing has a price."""
    if facts.books.whole.spent <= 0 and facts.books.whole.attempts > 0:
        return Money(
            None, "what retries cost isn't known: nothing has a price", address("/calls", ["attempt_number!=1"])
        )
    return Money(facts.books.retries, "went to second and later attempts", address("/calls", ["attempt_number!=1"]))


def _unbooked(facts: Facts) -> Money:
    if not facts.initiatives.missing:
        return Money(None, "no closed month waits to be booked", "/initiatives")
    return Money(facts.initiatives.unbooked, "was saved and isn't booked", "/initiatives#booked")


def _spent(part: Part, says: str, opens: str) -> Money:
    """Unknown where there are calls and none of them has a price."""
    if part.spent <= 0 and part.attempts > 0:
        return Money(None, f"in {part.attempts:,} attempts without a price: {says}", opens)
    return Money(max(part.spent, ZERO), says, opens)


ACTS: tuple[Act, ...] = (
    Act(
        id="send_calls", step=1, title="Send every call through the gateway", effort="minutes", page="/",
        how="Set the base URL of each application to Bursar's; its own provider key goes on working.",
        command="bursar up", money=_no_money("what doesn't come through Bursar isn't known"),
    ),
    Act(
        id="price_models", step=1, title="Give each model a price", effort="minutes", page="/prices",
        how="Models without a price are listed with how to price them; what was unpriced is priced then.",
        command="bursar prices check", money=unpriced_money,
    ),
    Act(
        id="report_usage", step=1, title="Let answers report their usage", effort="hours", page="/explore?by=outcome",
        how="Estimates come from streams that end early and from time-outs: see which, and lengthen those.",
        money=_doubtful,
    ),
    Act(
        id="set_budget", step=2, title="Put a budget on all of it", effort="minutes", page="/edit/budget",
        how="One monthly budget without conditions holds every call; add smaller ones for teams and features.",
        command="bursar budgets create everything --limit 500 --window month",
        money=spent_without("budgeted", "would not be stopped by any budget"),
    ),
    Act(
        id="limit_calls", step=2, title="Limit what one call and one loop can cost", effort="minutes",
        page="/edit/policy", how="A policy with a cap on output tokens, and the loop breaker left on.",
        command="bursar policies add answers --output-tokens-max 4096",
        money=spent_without("limited", "was spent on answers that no policy limits"),
    ),
    Act(
        id="tell_somebody", step=2, title="Let alerts reach somebody", effort="minutes", page="/alerts",
        how="A channel that takes all alerts, and a test of it; the rules that come with Bursar do the rest.",
        command="bursar alerts channel ops --apprise --to env:OPS_URL",
        money=all_spent("was spent, and a jump in it would be told to nobody"),
    ),
    Act(
        id="tag_calls", step=3, title="Say feature, team and environment with each call", effort="hours",
        page="/explore?by=credential", how="The header X-Bursar-Tags, or defaults of a key for all of its calls.",
        command="bursar keys create checkout --team shop --feature checkout --environment prod",
        money=untagged_money,
    ),
    Act(
        id="say_for_whom", step=3, title="Say for whom each call is", effort="hours", page="/explore?by=customer",
        how="The customer, the user or the agent, as an opaque id, in the same header.", money=_for_nobody,
    ),
    Act(
        id="own_keys", step=3, title="Give each team a key of its own", effort="hours",
        page="/explore?by=credential_kind", how="Virtual keys that belong to a team, in place of a provider's own.",
        command="bursar keys create search --team search", money=_on_strange_keys,
    ),
    Act(
        id="follow_advice", step=4, title="Do what advice says, caches first", effort="hours", page="/advice",
        how="Each advice has its money, its doubts and the change as a draft.", command="bursar advice list",
        money=_advised,
    ),
    Act(
        id="calm_retries", step=4, title="See why calls are sent again", effort="hours", page="/loops",
        how="The cause of each retry is in the books: time-outs that are too short, limits, answers cut off.",
        command="bursar loops waste", money=retried_money,
    ),
    Act(
        id="start_initiative", step=4, title="Start an initiative, and let it be measured", effort="days",
        page="/edit/initiative", how="An owner, a target, whose calls, and a baseline of a month before it.",
        command="bursar initiatives set prompts --owner ada --target 500 --baseline 2026-10-01..2026-10-31",
        money=_advised,
    ),
    Act(
        id="make_policies", step=5, title="Make rules of what is agreed", effort="hours", page="/edit/policy",
        how="Which models and providers may be used, and that no call comes without its feature.",
        command="bursar policies add agreed --allow-model 'gpt-*' --require-tag feature",
        money=spent_without("required", "could be spent without anybody saying on what"),
    ),
    Act(
        id="name_owners", step=5, title="Name who answers", effort="hours", page="/budgets",
        how="A contact on each budget, and alerts acknowledged by whoever sees to them.",
        command="bursar alerts ack all", money=_no_money("an owner has no price; what an alert is about has"),
    ),
    Act(
        id="write_down_roles", step=5, title="Agree who may change what, and keep the record whole", effort="days",
        page="/maturity#roles_agreed", how="Write it down, and say so as evidence; the audit log is kept by itself.",
        command="bursar maturity evidence add roles_agreed --who 'Ada, head of platform' --text '…'",
        money=_no_money("what a wrong change would cost isn't known"),
    ),
    Act(
        id="hold_reviews", step=6, title="Hold the reviews, with finance", effort="hours",
        page="/reviews", how="A weekly one of ten minutes, a monthly one with finance; then record that it was held.",
        command="bursar maturity held weekly --by Ada",
        money=all_spent("was spent, for the review to look at"),
    ),
    Act(
        id="book_savings", step=6, title="Book what was saved, and watch the forecast", effort="minutes",
        page="/initiatives#booked", how="A running console books closed months; the alert on budgets looks ahead.",
        command="bursar initiatives book", money=_unbooked,
    ),
    Act(
        id="reconcile_invoices", step=6, title="Compare the books with the invoices", effort="days",
        page="/invoices", command="bursar invoices import FILE",
        how="Take in each provider's bill of last month, and accept or ignore every difference that is found.",
        money=all_spent("was spent, and no invoice was held against it"),
    ),
)  # fmt: skip

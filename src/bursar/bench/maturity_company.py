"""A made-up company: its own data directory, control store and ledger, and a clock that its days go by on.

What it decides goes through the same books that the console and the command line use; its calls through the journal.
"""

import functools
import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from bursar.budgets.budget import Budget, pico_of
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.config import load_config
from bursar.console.context import ConsoleContext
from bursar.console.main import build_context
from bursar.console.maturity import Standing
from bursar.console.repricing import Repricing
from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.controls import PolicyTerms
from bursar.domain.ids import Ids
from bursar.domain.initiatives import InitiativeTerms
from bursar.domain.savings import Saved
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.finance.reconcile.desk import IGNORED
from bursar.governance.alerts import Channel
from bursar.governance.reviews import ReviewBook
from bursar.ledger.loader import Loader
from bursar.maturity.bills import spent_by_provider
from bursar.site import Site
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Settled

DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
BORN_US = 20_601 * DAY_US + 23 * HOUR_US  # 2026-05-28, a Thursday, late in the day
FEMTO_A_TOKEN = 20_000_000_000  # $20 a million
PICO_A_TOKEN = FEMTO_A_TOKEN // 1000
ACTOR = "made"
CENT = Decimal("0.01")
GOLDEN = 0.6180339887


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """How a company calls. Shares are of its calls, 0 to 1.

    tokens: of an input, on average. cached: of them are read from a cache in calls that use one. retried: calls that
    are sent twice, and paid twice. strange: calls of a model that nobody has a price for. guessed: without usage.
    """

    a_day: int = 6
    tokens: int = 10_000
    feature: float = 0.0
    team: float = 0.0
    environment: float = 0.0
    whom: float = 0.0
    cached: float = 0.0
    retried: float = 0.0
    strange: float = 0.0
    guessed: float = 0.0
    teams: tuple[str, ...] = ("core",)
    key_team: str = ""
    model: str = "gpt-4o"


class Company:
    """book: a compiled price book, copied, since making one takes a second. reviews …: what it does as a habit."""

    def __init__(self, name: str, directory: Path, book: Path, habit: Habit) -> None:
        self.name = name
        self.habit = habit
        self.clock = FixedClock(BORN_US)
        config = load_config(overrides={"organization": name, "data": str(directory)}, env={})
        self.site = Site(config, self.clock)
        self.site.prepare()
        for suffix in (".msgpack", ".from"):
            shutil.copy(book.with_suffix(suffix), self.site.paths.price_book.with_suffix(suffix))
        self.ledger = self.site.open_ledger()
        self.loader = Loader(self.ledger, self.site.paths.spool, self.clock)
        self.repricing = Repricing(self.site, self.ledger)
        self.reviews = self.reconciles = False
        self._ids = Ids()
        self._number = 0

    @functools.cached_property
    def context(self) -> ConsoleContext:
        return build_context(self.site, self.ledger, self.loader, self.repricing, functools.cache(self.site.alerts))

    def close(self) -> None:
        self.ledger.close()

    def standing(self) -> Standing:
        """Measured, and noted as the console's thread would."""
        return self.context.maturity().look()

    def live(self, days: int, **otherwise: Any) -> None:
        """Days go by, with calls, and with what it does as a habit. otherwise: how it calls from now on."""
        self.habit = msgspec.structs.replace(self.habit, **otherwise)
        journal = Journal(self.site.paths.spool, f"w{self.clock.at_us}", sync=False)
        for day in range(1, days + 1):
            self.clock.at_us += DAY_US
            for record in self._calls(journal):
                journal.append(record)
            if day % 7 == 0:
                self.keep_up(month=day % 28 == 0)
        journal.close()
        self.loader.load_all()

    def keep_up(self, *, month: bool) -> None:
        """What it does each week, and each month."""
        if self.reviews:
            self.review("weekly")
        if self.reviews and month:
            self.review("monthly")
            self.say("finance_joins")
        if self.reconciles and month:
            self.tie_invoices()

    def review(self, kind: Any) -> None:
        store, secret = self.context.open_store()  # type: ignore[misc]  # `build_context` has given one
        ReviewBook(store, secret, self.clock).record(kind, by="Ada", actor=ACTOR)

    def say(self, check: str) -> None:
        self.context.maturity().add_evidence(
            check, "Ada, finance", "Done today, the minutes are in the wiki.", actor=ACTOR
        )

    def tie_invoices(self) -> None:
        """The provider's bill of the newest month that is over: what was metered, and a cent that somebody ignores."""
        self.loader.load_all()
        last = datetime_from_us(self.clock.at_us).date().replace(day=1) - timedelta(days=1)
        desk = self.context.finance().invoices
        with self.ledger.reading() as session:
            spent = spent_by_provider(session, last.replace(day=1))
        for provider, cost in spent.items():
            done = desk.take_total(provider, last.replace(day=1), last, cost + CENT, Decimal(0), "USD", actor=ACTOR)
            for invoice_id in done.invoices:
                for one in desk.look(invoice_id).open_ones:
                    desk.decide(invoice_id, one.variance_id, IGNORED, "a cent", actor=ACTOR)

    def budget(self, name: str, limit: str, *, window: str = "month", **more: Any) -> None:
        plan = LimitPlan(pico_of(Decimal(limit), "limit"))
        made = Budget(budget_id="", name=name, limit=plan, window=Schedule(parse_spec(window)), **more)
        self.context.budget_store().create(made, actor=ACTOR)

    def policy(self, name: str, **terms: Any) -> None:
        self.context.controls().policies.create(name, PolicyTerms(**terms), is_on=True, actor=ACTOR)

    def channel(self, name: str = "ops") -> None:
        self.context.desk().put_channel(Channel(name, "apprise", "env:OPS_URL"), actor=ACTOR)

    def initiative(self, name: str = "shorter prompts", *, days_ago: int = 10) -> None:
        """One that runs for some days, with twenty before it to compare with."""
        book, today = self.context.initiatives().book, self.context.now().date()
        start = today - timedelta(days=days_ago)
        terms = InitiativeTerms(
            owner="ada", target=Decimal(100), start=start, baseline_to=start - timedelta(days=1),
            baseline_from=start - timedelta(days=20),
        )  # fmt: skip
        book.create(name, terms, actor=ACTOR)
        book.start(name, actor=ACTOR)

    def _calls(self, journal: Journal) -> Iterator[Dispatched | Settled]:
        for number in range(self.habit.a_day):
            self._number += 1
            at_us = self.clock.at_us - 20 * HOUR_US + number * HOUR_US
            yield from self._call(journal, at_us, self._number)

    def _call(self, journal: Journal, at_us: int, number: int) -> Iterator[Dispatched | Settled]:
        habit, luck = (
            self.habit,
            number * GOLDEN % 1,
        )  # evenly spread: any thirty days have nearly the share that is meant
        named = Attribution(
            feature="checkout" if luck < habit.feature else "",
            team=habit.teams[number % len(habit.teams)] if luck < habit.team else "",
            environment="prod" if luck < habit.environment else "",
            customer=f"c{number % 5}" if luck < habit.whom else "",
        )
        is_strange = luck < habit.strange
        model = "nova-next" if is_strange else habit.model
        facts = CallFacts(
            self._ids.new(at_us), at_us, "openai-chat", "chat", Scope(self.name, habit.key_team, ""),
            "vk_made" if habit.key_team else "pt_made", "virtual" if habit.key_team else "passthrough", model, False,
            4 * habit.tokens, f"{number:032x}", named,
        )  # fmt: skip
        is_retried = luck < habit.retried
        tokens = habit.tokens * (1 + number % 3) // 2
        for attempt in (1, 2) if is_retried else (1,):
            is_last = attempt == 2 or not is_retried
            journal.seq += 1
            attempt_id = self._ids.new(at_us)
            provider = "mistral" if is_strange else "openai"
            yield Dispatched(
                journal.seq, attempt_id, attempt, at_us + attempt, provider, provider, model, "", "", "", None, "",
                facts,
            )  # fmt: skip
            yield self._settled(attempt_id, at_us, tokens, is_last, is_strange, luck >= 1 - habit.guessed)

    def _settled(
        self, attempt_id: str, at_us: int, tokens: int, is_last: bool, is_strange: bool, is_guessed: bool
    ) -> Settled:
        kept = int(tokens * self.habit.cached)
        saved = 9 * kept * PICO_A_TOKEN // 10  # a tenth of the price
        list_pico = None if is_strange else tokens * PICO_A_TOKEN - saved
        lines = (
            [] if is_strange else [("input", tokens - kept, FEMTO_A_TOKEN), ("cache_read", kept, FEMTO_A_TOKEN // 10)]
        )
        quality = "unpriced" if is_strange else "estimated" if is_guessed else "reported"
        outcome = "ok" if is_last else "timeout"
        return Settled(
            attempt_id, at_us + 300_000, at_us + 900_000, 200, outcome, quality, "", "stop", "", "default", "",
            Usage(input=tokens - kept, cache_read=kept), [] if is_strange else lines, list_pico,
            None if list_pico is None else list_pico + saved, "", "", "", None, 2_000, is_last, outcome, 200,
            saved=Saved(prompt_cache=0 if is_strange else saved),
        )  # fmt: skip

"""Before the first bill of a model: what upstreams add unseen doesn't overspend a budget, and nobody waits for ever."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.budgets.bounds import MODELS_MAX, TokenCeilings, learned_as
from bursar.budgets.budget import Budget
from bursar.budgets.holds import Holding, MarkReached, Touching, claims_of
from bursar.budgets.lease import Grant
from bursar.budgets.limits import LimitPlan
from bursar.budgets.matching import Touched
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.errors import BudgetExhausted
from bursar.gateway.bound import bound_of
from bursar.gateway.firsts import FIRST_BILL_WAIT_S, FIRST_CALLS_MAX, Firsts
from bursar.gateway.hold import hold
from bursar.gateway.meter import Meter
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.providers.base import Asked
from bursar.simulate.clock import START_US, JumpingClock, run_jumping

MODEL, UPSTREAM, BYTES, OUTPUT = "gpt-4o-mini", "openai", 400, 100
ALLOWANCE = 16_384
INPUT_PICO, OUTPUT_PICO = 150_000, 600_000  # a token's price
BOOK = PriceBook(compile_rows(None)[0])


def billed(hidden: int) -> int:
    return (BYTES // 4 + hidden) * INPUT_PICO + OUTPUT * OUTPUT_PICO


def shown() -> int:
    return BYTES * INPUT_PICO + OUTPUT * OUTPUT_PICO


class World:
    """One worker in front of an upstream that adds `hidden` tokens; one budget, kept by a sum.

    after_s: how long each answer takes. reports: whether answers have usage. fails: the first answers that are errors.
    """

    def __init__(
        self,
        limit: int,
        hidden: int,
        *,
        mode: str = "strict",
        after_s: float = 1.0,
        reports: bool = True,
        fails: int = 0,
    ) -> None:
        window = Schedule(parse_spec("lifetime"))
        self.budget = Budget(budget_id="b", name="b", limit=LimitPlan(limit), window=window, mode=mode)  # type: ignore[arg-type]
        self.limit, self.bill = limit, billed(hidden)
        self.hidden, self.after_s, self.reports, self.fails = hidden, after_s, reports, fails
        self.clock = JumpingClock()
        self.unmarked: list[object] = []
        self.held = self.spent = self.under_way = self.most = self.answered = 0
        self.mark = 0  # above it a threshold acts
        meter = Meter(BOOK)
        self.firsts = Firsts(meter.ceilings)
        refills = SimpleNamespace(
            purse=SimpleNamespace(hold_again=lambda *_: None), take=self.take, unmark=self.unmarked.append
        )
        budgeting = SimpleNamespace(index=_Index(self.budget), the_refills=lambda: refills, version=1)
        options = SimpleNamespace(output_tokens_default=OUTPUT, hidden_input_tokens_first=ALLOWANCE)
        self.worker: Any = SimpleNamespace(
            meter=meter, firsts=self.firsts, budgeting=budgeting, settings=options, clock=self.clock
        )

    def call(self) -> Any:
        facts = SimpleNamespace(
            received_us=START_US, scope=None, credential_id="", credential_kind="", attribution=None
        )
        return SimpleNamespace(
            facts=facts, asked=Asked(MODEL, max_output_tokens=OUTPUT), body=b"x" * BYTES, bound=None, first=None,
            route=SimpleNamespace(name=UPSTREAM, provider="openai"), dialect=SimpleNamespace(operation="chat"),
            routing=None, holding=None, notes=[],
        )  # fmt: skip

    async def take(self, touching: Touching, likely: int, most: int, now_us: int, met: Any) -> Holding:
        await asyncio.sleep(0.001)
        claim = claims_of(touching.budgets, likely, most)[0]
        if self.mark and self.spent + self.held + most > self.mark and not met:
            grant = Grant("l", 0, "w", 0, False, True, False, self.limit, self.spent, self.held, "", 0)
            raise MarkReached(claim, 50, grant)
        if self.spent + self.held + most > self.limit:
            raise BudgetExhausted("no")
        self.held += most
        return Holding([(None, most)])  # type: ignore[list-item]

    async def serve(self) -> bool:
        """A call from its hold to its end; whether it was let through."""
        call, envelope = self.call(), SimpleNamespace(attributed=None, touched={})
        try:
            await hold(self.worker, call, envelope, SimpleNamespace(attribution=None))  # type: ignore[arg-type]
        except (BudgetExhausted, MarkReached):
            assert call.holding is None
            return False
        finally:
            if call.first is not None and call.holding is None:
                self.firsts.leave(call.first)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.after_s)
        self.under_way -= 1
        self.held -= call.holding.parts[0][1]
        if self.fails > 0:
            self.fails -= 1
            is_answer = False
        else:
            is_answer = True
            self.answered += 1
            self.spent += self.bill
            if self.reports:
                self.worker.meter.ceilings.learn(learned_as(UPSTREAM, MODEL), BYTES, BYTES // 4 + self.hidden, OUTPUT)
        if call.first is not None:
            self.firsts.leave(call.first, was_answered=is_answer)
        return True

    async def at_once(self, calls: int) -> None:
        await asyncio.gather(*(self.serve() for _ in range(calls)))

    async def one_by_one(self, calls: int) -> list[bool]:
        return [await self.serve() for _ in range(calls)]


class _Index(list[Budget]):
    def __init__(self, budget: Budget) -> None:
        super().__init__([budget])

    def touching(self, subject: object) -> list[Touched]:
        return [Touched(self[0], "")]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 200_000), st.integers(5, 60), st.sampled_from([0.05, 1.0, 9.0]), st.integers(0, 12))
def test_however_much_is_added_a_budget_for_five_calls_or_more_is_kept(
    hidden: int, paid: int, after_s: float, fails: int
) -> None:
    """As long as the first bill comes before those that wait for it give up."""
    world = World(max(billed(hidden), shown()) * paid, hidden, after_s=after_s, fails=fails if after_s <= 1 else 0)
    run_jumping(world.at_once(120), world.clock)
    assert world.spent <= world.limit
    assert world.held == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, ALLOWANCE), st.integers(1, 60))
def test_answers_that_take_longer_than_anybody_waits_are_held_with_the_margin(hidden: int, paid: int) -> None:
    world = World(billed(ALLOWANCE) * paid, hidden, after_s=FIRST_BILL_WAIT_S * 3)
    run_jumping(world.at_once(120), world.clock)
    assert world.spent <= world.limit


@given(st.integers(0, 200_000), st.integers(1, 20), st.booleans())
def test_one_after_another_nobody_is_refused_whom_the_bound_alone_lets_pass(
    hidden: int, paid: int, reports: bool
) -> None:
    world = World(max(billed(hidden), shown()) * paid, hidden, reports=reports)

    async def first_refused() -> int:
        for _ in range(paid + 1):
            bound = bound_of(world.worker, world.call(), OUTPUT, START_US).pico or 0
            passes = world.spent + bound <= world.limit
            assert await world.serve() or not passes
            if not passes:
                break
        return world.answered

    assert run_jumping(first_refused(), world.clock) >= 1
    assert world.firsts.waited == 0


def test_a_small_budget_is_spent_though_the_margin_never_fits() -> None:
    world = World(shown() * 3, 0)
    assert billed(ALLOWANCE) > world.limit

    async def until_refused() -> None:
        await world.at_once(20)
        await world.one_by_one(5)

    run_jumping(until_refused(), world.clock)
    assert world.spent > world.limit - shown()


def test_until_the_first_bill_few_are_under_way_and_afterwards_all() -> None:
    world = World(billed(0) * 10_000, 0, after_s=2.0)

    async def look() -> tuple[int, float]:
        calls = asyncio.create_task(world.at_once(100))
        await asyncio.sleep(1.0)
        before = world.under_way
        await calls
        return before, asyncio.get_running_loop().time()

    before, took_s = run_jumping(look(), world.clock)
    assert before == FIRST_CALLS_MAX
    assert world.most == 100 - FIRST_CALLS_MAX
    assert took_s < 5


@pytest.mark.parametrize("mode", ["strict", "expected", "clamp"])
def test_an_upstream_that_never_says_what_it_used_is_waited_for_once(mode: str) -> None:
    world = World(billed(0) * 10_000, 0, mode=mode, reports=False)

    async def both() -> float:
        await world.at_once(50)
        began = asyncio.get_running_loop().time()
        await world.at_once(50)
        return asyncio.get_running_loop().time() - began

    assert run_jumping(both(), world.clock) < 1.5
    assert world.answered == 100


def test_a_dry_run_waits_for_nobody() -> None:
    world = World(billed(0) * 10_000, 0, mode="warn")
    run_jumping(world.at_once(50), world.clock)
    assert (world.most, world.firsts.waited) == (50, 0)


def test_an_upstream_that_is_down_holds_nobody_longer_than_the_wait() -> None:
    world = World(billed(0) * 10_000, 0, after_s=60.0, fails=1_000)

    async def down() -> float:
        await world.at_once(50)
        return asyncio.get_running_loop().time()

    assert run_jumping(down(), world.clock) < FIRST_BILL_WAIT_S + 61


def test_the_margin_alone_meets_no_threshold() -> None:
    world = World(billed(ALLOWANCE) * 10, 0)
    world.mark = billed(ALLOWANCE) // 2
    assert run_jumping(world.one_by_one(1), world.clock) == [True]
    assert len(world.unmarked) == 1  # the next call asks anew


def test_who_waits_and_goes_away_leaves_nothing_behind() -> None:
    world = World(billed(0) * 10_000, 0, after_s=3.0)

    async def leave() -> None:
        calls = [asyncio.create_task(world.serve()) for _ in range(20)]
        await asyncio.sleep(0.5)
        for call in calls[FIRST_CALLS_MAX:]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await world.serve()

    run_jumping(leave(), world.clock)
    assert world.answered == FIRST_CALLS_MAX + 1
    assert world.held == 0


def test_places_are_shared_over_workers_and_left_once() -> None:
    firsts = Firsts(TokenCeilings(), workers=8)
    place = firsts.enter("m")
    assert not firsts.may_enter("m")
    firsts.leave(place)
    firsts.leave(place)
    assert firsts.may_enter("m", alone=True)


def test_models_beyond_what_is_remembered_are_not_new_for_ever() -> None:
    ceilings = TokenCeilings()
    for number in range(MODELS_MAX):
        ceilings.learn(f"m{number}", 100, 25, 1)
    assert not Firsts(ceilings).is_new("another")

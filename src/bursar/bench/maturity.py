"""Whether maturity is measured right: made-up companies that stand at each step, and the acts that climb, done.

Each is built in its own way, with parts of later steps that must not count yet: reviews without tags, policies without
budgets. Then what the page tells to do is done, through the same books as a person would, until the last step.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from bursar.bench.figure import Figure, Options
from bursar.bench.maturity_company import ACTOR, Company, Habit
from bursar.console.maturity import Standing
from bursar.domain.caching import CacheTerms, PromptCaching
from bursar.domain.usage import Unit
from bursar.maturity.steps import STEPS
from bursar.prices.append import append_price, price_table
from bursar.prices.compile import compile_book, inputs_digest

MONTH = 31  # days: all that is measured is of the time since
SAID = Habit(feature=0.97, team=0.97, environment=0.97, whom=0.9)
LAST = len(STEPS)


class Climbed(msgspec.Struct):
    """What came of one company. built: the step it was built for; steps: where it was placed, climb by climb."""

    name: str
    built: int
    steps: list[int]
    acts: list[list[str]]

    @property
    def is_placed_right(self) -> bool:
        return self.steps[0] == self.built

    @property
    def moved_each_time(self) -> bool:
        """By one step each time, up to the last: a company may have had more of later steps, but not all of one."""
        return self.steps == list(range(self.built, LAST + 1))


def measure(_: Options) -> list[Figure]:
    """Placed right, and moved up by what the page says; fast."""
    started = time.perf_counter()
    found = climb_all()
    took = time.perf_counter() - started
    climbs = sum(len(one.steps) - 1 for one in found)
    return [
        Figure("companies placed at the step they were built for", sum(one.is_placed_right for one in found), "",
               len(found), "at least", note=f"of {len(found)}"),
        Figure("companies that the acts moved up, step by step to the last", sum(one.moved_each_time for one in found),
               "", len(found), "at least", note=f"{climbs} climbs"),
        Figure("acts for a step, at most", max(len(acts) for one in found for acts in one.acts), "", 3),
        Figure("time for all of it", took, "s"),
    ]  # fmt: skip


def climb_all() -> list[Climbed]:
    """All companies, from where they stand to the last step."""
    found = []
    for built, build in enumerate(COMPANIES):
        with company(build) as one:
            found.append(_climb(one, built))
    return found


@contextmanager
def company(build: Callable[[Path, Path], Company]) -> Iterator[Company]:
    """One of COMPANIES, in a directory that goes with it."""
    with tempfile.TemporaryDirectory(prefix="bursar-maturity-") as directory:
        one = build(Path(directory) / "data", _book())
        try:
            yield one
        finally:
            one.close()


def _climb(one: Company, built: int) -> Climbed:
    found = one.standing()
    climbed = Climbed(one.name, built, [found.place.step.number], [])
    while found.place.next is not None and len(climbed.acts) < LAST:
        climbed.acts.append(apply_acts(one, found))
        found = one.standing()
        climbed.steps.append(found.place.step.number)
    return climbed


def apply_acts(one: Company, found: Standing) -> list[str]:
    """Do what the page says, in its order; the names of the acts."""
    names = [climb.act.id for climb in found.acts]
    for name in names:
        DOING[name](one)
    return names


_BOOKS: dict[str, Path] = {}


def _book() -> Path:
    """A price book, compiled once."""
    if "book" not in _BOOKS or not _BOOKS["book"].exists():
        path = Path(tempfile.mkdtemp(prefix="bursar-prices-")) / "book.msgpack"
        compile_book(path, None)
        path.with_suffix(".from").write_text(inputs_digest(None))
        _BOOKS["book"] = path
    return _BOOKS["book"]


def _newcomer(directory: Path, book: Path) -> Company:
    """Two days of calls, half of them of a model without a price; a budget already."""
    one = Company("newcomer", directory, book, Habit(strange=0.5, guessed=0.4))
    one.live(2)
    one.budget("all", "50")
    return one


def _aware(directory: Path, book: Path) -> Company:
    """Sees what it spends, and its provider's cache saves some; nothing holds it, nobody is told."""
    one = Company("aware", directory, book, Habit(cached=0.4, feature=1.0, team=1.0))
    one.live(MONTH)
    one.policy("agreed", allow_models=("gpt-*",))
    return one


def _clean(directory: Path, book: Path) -> Company:
    """A daily budget of each key, limits, alerts, even reviews; three calls of five say what they are for."""
    one = Company("clean", directory, book, msgspec.structs.replace(SAID, feature=0.6, key_team="core"))
    one.reviews = True
    one.live(MONTH)
    one.budget("fair use", "20", window="day", each="credential", mode="clamp")
    one.policy("answers", output_tokens_max=8192, on_output_excess="refuse")
    one.channel()
    return one


def _attributed(directory: Path, book: Path) -> Company:
    """Two teams with a budget each; tags on all; a third of the calls are sent, and paid, twice."""
    one = Company("attributed", directory, book, msgspec.structs.replace(SAID, team=1.0, teams=("a", "b"), retried=0.3))
    one.live(MONTH)
    for team in ("a", "b"):
        one.budget(f"team {team}", "60", match={"team": team}, contact="ada")
    one.policy("answers", output_tokens_max=4096, require_tags=("feature",))
    one.channel()
    return one


def _optimized(directory: Path, book: Path) -> Company:
    """Caches, an initiative that is measured; a policy for one feature of two, nobody to ask about the budget."""
    one = Company("optimized", directory, book, msgspec.structs.replace(SAID, cached=0.5, key_team="core"))
    one.live(MONTH)
    one.budget("all", "100", mode="expected")
    one.policy("answers", output_tokens_max=4096)
    one.policy("some", match={"feature": "search"}, deny_models=("gpt-5*",), require_tags=("feature",))
    one.channel()
    one.initiative()
    return one


def _governed(directory: Path, book: Path) -> Company:
    """All of it by rules, with owners and agreed roles; no reviews, and nobody asked finance."""
    one = _optimized(directory, book)
    one.name = "governed"
    one.policy("agreed", allow_providers=("openai",), require_tags=("feature",))
    _name_owners(one)
    one.say("roles_agreed")
    return one


def _disciplined(directory: Path, book: Path) -> Company:
    """The same for months, reviewed each week, booked each month, compared with the invoices."""
    one = _governed(directory, book)
    one.name = "disciplined"
    one.reviews = one.reconciles = True
    one.live(2 * MONTH)
    one.context.initiatives().close(actor=ACTOR, adjust=False)
    return one


COMPANIES = (_newcomer, _aware, _clean, _attributed, _optimized, _governed, _disciplined)
"""By the step that each stands at."""


def _price_models(one: Company) -> None:
    prices = {Unit.INPUT: Decimal(20), Unit.CACHE_READ: Decimal(2), Unit.OUTPUT: Decimal(60)}
    append_price(one.site.paths.prices, price_table("mistral", "nova-next", prices))
    one.repricing.look()
    one.habit = msgspec.structs.replace(one.habit, strange=0.0)


def _name_owners(one: Company) -> None:
    store = one.context.budget_store()
    for budget in store.all():
        store.replace(msgspec.structs.replace(budget, contact="ada@example.test"), actor=ACTOR)
    one.context.desk().acknowledge("all", actor=ACTOR)


def _follow_advice(one: Company) -> None:
    one.context.controls().caches.create("prompts", CacheTerms(prompt=PromptCaching()), is_on=True, actor=ACTOR)
    one.live(MONTH, cached=0.5)


def _hold_reviews(one: Company) -> None:
    one.reviews = True
    one.keep_up(month=True)


def _book_savings(one: Company) -> None:
    """A month has to close first."""
    one.live(2 * MONTH)
    one.context.initiatives().close(actor=ACTOR, adjust=False)


def _reconcile(one: Company) -> None:
    one.reconciles = True
    one.keep_up(month=True)


DOING: dict[str, Callable[[Company], object]] = {
    "send_calls": lambda one: one.live(5),
    "price_models": _price_models,
    "report_usage": lambda one: one.live(MONTH, guessed=0.0),
    "set_budget": lambda one: one.budget("everything", "100"),
    "limit_calls": lambda one: one.policy("limit", output_tokens_max=4096),
    "tell_somebody": lambda one: one.channel(),
    "tag_calls": lambda one: one.live(MONTH, feature=1.0, team=1.0, environment=1.0),
    "say_for_whom": lambda one: one.live(MONTH, whom=1.0),
    "follow_advice": _follow_advice,
    "calm_retries": lambda one: one.live(MONTH, retried=0.0),
    "start_initiative": lambda one: one.initiative(),
    "make_policies": lambda one: one.policy("rules", allow_models=("gpt-*", "nova-*"), require_tags=("feature",)),
    "name_owners": _name_owners,
    "write_down_roles": lambda one: one.say("roles_agreed"),
    "hold_reviews": _hold_reviews,
    "book_savings": _book_savings,
    "reconcile_invoices": _reconcile,
}
"""What each act means for a made-up company."""

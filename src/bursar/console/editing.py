"""Budgets, policies, limits and cache rules as forms make and change them: opened, tried, saved, removed.

What a form says is read by the sections of a control file, so that a form, `bursar apply` and the CLI can't differ.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bursar.budgets.budget import Budget
from bursar.console.context import ACTOR, NO_CONTROL_STORE, ConsoleContext
from bursar.console.forms import budget as budget_form
from bursar.console.forms import caches as cache_form
from bursar.console.forms import controls as control_forms
from bursar.console.forms.fields import Entry, Fields
from bursar.console.forms.names import refuse_unknown
from bursar.controlfile.amounts import instant_text
from bursar.controlfile.opening import VALUES_MAX, Asked, CostRow, Costs, Opening, opening_of
from bursar.controlfile.sections import Item
from bursar.controlfile.state import ControlState, Proposal, mark_of
from bursar.domain.errors import BursarError, Unavailable, UnknownControl
from bursar.domain.money import plain
from bursar.domain.periods import parse_period
from bursar.explore.filters import Filter
from bursar.explore.query import Query

REASON = "changed on the console"
NO_NAME = "a name, please: people will know it by that"


class Kind(NamedTuple):
    """One kind of thing with a form. noun: in its address; back: the page that lists it.

    fill:   what the form shows of an entry; with the names of keys by their ids.
    read:   what was typed as an entry; with the thing as it is so far.
    place:  the form's field that an error is about.
    """

    noun: str
    section: str
    back: str
    fill: Callable[[Entry, Mapping[str, str]], dict[str, str]]
    read: "Callable[[ConsoleContext, Fields, Item | None], Entry]"
    place: Callable[[Fields, BursarError], str]


def _read_budget(context: ConsoleContext, form: Fields, old: Item | None) -> Entry:
    now_text = instant_text(context.clock.now_us())
    return budget_form.read_budget(form, old.told if old else None, context.config.console.timezone, now_text)


BUDGET = Kind(
    "budget", "budgets", "/budgets", budget_form.fill_budget, _read_budget, budget_form.place_of_error,
)  # fmt: skip
POLICY = Kind(
    "policy", "policies", "/controls", control_forms.fill_policy,
    lambda _context, form, _old: control_forms.read_policy(form), control_forms.place_of_error,
)  # fmt: skip
LIMIT = Kind(
    "limit", "limits", "/controls", control_forms.fill_limit,
    lambda _context, form, _old: control_forms.read_limit(form), control_forms.place_of_error,
)  # fmt: skip
CACHE = Kind(
    "cache", "caches", "/caches", cache_form.fill_cache,
    lambda _context, form, _old: cache_form.read_cache(form), cache_form.place_of_error,
)  # fmt: skip
KINDS = {kind.noun: kind for kind in (BUDGET, POLICY, LIMIT, CACHE)}


class Wish(NamedTuple):
    """What a form asks for. proposal: None where something is wrong, which `form.errors` tells."""

    form: Fields
    old: Item | None
    proposal: Proposal | None


def open_form(context: ConsoleContext, kind: Kind, name: str) -> tuple[dict[str, str], Item | None]:
    """What a form begins with: of the thing of that name, or of a new one where the name is "".

    Raises UnknownControl.
    """
    names = context.controls().key_names()
    if not name:
        if kind is BUDGET:
            return budget_form.new_budget(context.config.console.timezone), None
        return (cache_form.fill_cache({}, names) if kind is CACHE else {}), None
    item = state_of(context).find(kind.section, name)
    if item is None:
        raise UnknownControl(f"no {kind.noun} in force is named {name[:200]!r}; it may have been removed", field="of")
    return kind.fill(item.told, names) | {"name": item.name, "seen": mark_of(item)}, item


def read_form(context: ConsoleContext, kind: Kind, typed: Mapping[str, str]) -> Wish:
    """What was typed, read and checked; it changes nothing."""
    form, state = Fields(typed), state_of(context)
    name = form.text("of") or form.text("name")
    old = state.find(kind.section, form.text("of")) if form.text("of") else None
    refuse_unknown(form, kind.noun)
    if not name:
        form.wrong("name", NO_NAME)
    entry = kind.read(context, form, old)
    proposal = None
    if not form.errors:
        try:
            proposal = state.propose(kind.section, name, entry)
        except BursarError as error:
            tell_error(kind, form, error)
    return Wish(form, old, proposal)


def save(context: ConsoleContext, kind: Kind, wish: Wish) -> Item | None:
    """Make it so, and tell the workers; None where something is wrong, which is told in the form."""
    form = wish.form
    if wish.proposal is None:
        return None
    if wish.old is not None and not can_say(context, kind, wish.old):
        form.wrong(
            "", "this form can't say all that it does, and saving would lose the rest; change it where it was made"
        )
        return None
    try:
        entry, seen = kind.read(context, form, wish.old), form.text("seen") or None
        return _put(context, kind, entry, wish.proposal, seen=seen, reason=form.text("why") or REASON)
    except BursarError as error:
        tell_error(kind, form, error)
        return None


def make(context: ConsoleContext, kind: Kind, name: str, entry: Entry) -> Item:
    """Make a new thing of what an entry says. Raises NameTaken, and what its section does, with the entry's field."""
    return _put(context, kind, entry, state_of(context).propose(kind.section, name, entry), seen=None, reason=REASON)


def change(context: ConsoleContext, kind: Kind, name: str, entry: Entry, reason: str) -> Item:
    """Make a thing in force what an entry says. Raises UnknownControl, and what its section does."""
    proposal = state_of(context).propose(kind.section, name, entry)
    if proposal.old is None:
        raise UnknownControl(f"no {kind.noun} in force is named {name[:200]!r}", field="name")
    return _put(context, kind, entry, proposal, seen=mark_of(proposal.old), reason=reason or REASON)


def _put(
    context: ConsoleContext, kind: Kind, entry: Entry, proposal: Proposal, *, seen: str | None, reason: str
) -> Item:
    """Make it so, and tell the workers. What its window has cost already counts for a budget that begins with it."""
    name = proposal.new.name
    opening = opening_here(context, proposal).spent if proposal.begins is not None else []
    item = state_of(context).put(
        kind.section, name, entry, seen=seen, actor=ACTOR, reason=reason, openings={name: opening}
    )
    publish(context, kind)
    return item


def remove(context: ConsoleContext, kind: Kind, name: str) -> None:
    """Out of force from now on. Raises UnknownBudget, UnknownControl."""
    if kind is BUDGET:
        context.budget_store().remove(name, actor=ACTOR)
    elif kind is POLICY:
        context.controls().policies.remove(name, actor=ACTOR)
    elif kind is CACHE:
        context.controls().caches.remove(name, actor=ACTOR)
    else:
        context.controls().limits.remove(name, actor=ACTOR)
    publish(context, kind)


def opening_here(context: ConsoleContext, proposal: Proposal) -> Opening:
    """What was spent already of a budget that somebody wants, by this console's own books."""
    return opening_for(context, proposal.new.value)


def opening_for(context: ConsoleContext, budget: Budget) -> Opening:
    """The same of a budget that somebody is about to make."""
    return opening_of(budget, context.clock.now_us(), lambda asked: _costs(context, asked))


def can_say(context: ConsoleContext, kind: Kind, item: Item) -> bool:
    """Whether the form says all that the thing does: one made elsewhere may have a comma where the form parts words."""
    form = Fields(kind.fill(item.told, context.controls().key_names()))
    entry = kind.read(context, form, item)
    if form.errors:
        return False
    return state_of(context).propose(kind.section, item.name, entry).new.told == item.told


def tell_error(kind: Kind, form: Fields, error: BursarError) -> None:
    """An error at the field that it is about, without the field's name in front."""
    field = error.field or ""
    message = error.message.removeprefix(f"{field}: ") if field else error.message
    form.wrong(kind.place(form, error), message)


def state_of(context: ConsoleContext) -> ControlState:
    """Raises Unavailable in a console without a control store."""
    if context.control_state is None:
        raise Unavailable(NO_CONTROL_STORE)
    return context.control_state()


def publish(context: ConsoleContext, kind: Kind) -> None:
    """Tell the workers."""
    if kind is BUDGET:
        context.tell_budgets()
    else:
        context.controls().publish()


def _costs(context: ConsoleContext, asked: Asked) -> Costs:
    dimensions = (*(["hour"] if asked.by_hour else []), *([asked.by] if asked.by else []))
    filters = tuple(Filter(name, (value,)) for name, value in asked.filters)
    period = parse_period(asked.period, context.now(), "UTC")
    table = context.explorer.run(
        Query(period, ("list_cost", "unpriced_count"), dimensions, filters, "UTC", "list_cost", limit=VALUES_MAX)
    )
    rows = [
        CostRow([str(row[name] or "") for name in dimensions], _plain(row["list_cost"]), row["unpriced_count"])
        for row in table.dicts()
    ]
    totals = CostRow([], _plain(table.totals["list_cost"]), table.totals["unpriced_count"])
    return Costs(rows, totals, table.other_groups)


def _plain(cost: object) -> str | None:
    return None if cost is None else plain(cost)  # type: ignore[arg-type]  # a measure of money is a Decimal

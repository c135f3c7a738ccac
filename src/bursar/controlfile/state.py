"""The control state of an installation against a file: what differs, made so in one transaction; and the file."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from bursar.alerts.desk import AlertDesk
from bursar.budgets.budget import Budget
from bursar.budgets.reachable import KnowsModel
from bursar.controlfile.alerts import ChannelSection, RuleSection
from bursar.controlfile.document import Document, Place, write_document
from bursar.controlfile.initiatives import InitiativeSection
from bursar.controlfile.plans import PlanSection
from bursar.controlfile.sections import (
    BudgetSection,
    CacheSection,
    Entry,
    Item,
    KillSection,
    LimitSection,
    Openings,
    PolicySection,
    RouteSection,
    Section,
)
from bursar.domain.caching import WhyNot
from bursar.domain.clock import Clock
from bursar.domain.errors import BursarError, ChangedMeanwhile, NameTaken
from bursar.domain.initiatives import InitiativeTerms
from bursar.governance.budgets import Budgets
from bursar.governance.caches import CacheBook
from bursar.governance.initiatives import InitiativeBook
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.plans import PlanBook
from bursar.governance.policies import Policies
from bursar.governance.routes import RouteBook
from bursar.governance.store import ControlStore, OpenTransaction

VERSION = "1"
SECTIONS = (
    "budgets",
    "policies",
    "limits",
    "kills",
    "routes",
    "caches",
    "initiatives",
    "plans",
    "alert_channels",
    "alert_rules",
)
FILE_REASON = "control file"


class Field(NamedTuple):
    """One field that differs. None: not there, so at its default."""

    name: str
    before: Any
    after: Any


class Change(NamedTuple):
    """One thing that the file wants otherwise. begins: the budget whose count begins with it, if one does."""

    section: str
    name: str
    kind: Literal["create", "change", "remove"]
    fields: list[Field]
    begins: Budget | None = None


class Proposal(NamedTuple):
    """One thing as it is and as somebody wants it. begins: the budget whose count would begin with it, if one does."""

    old: Item | None
    new: Item
    begins: Budget | None


class _Undone(Exception):
    """Ends a transaction that was only tried."""


def _unasked(_: InitiativeTerms) -> None:
    """Where nobody knows what the books can be asked, an initiative is checked by itself alone."""


def _unread(_: str) -> None:
    """Where nobody knows the dimensions, the scope of a plan is taken as it is."""


class ControlState:
    """All of an installation that one file says.

    timezone: of windows and quiet hours that name none. upstreams: that routes may name, knows_model: for budgets
    that lead to one; None: not known here. check_initiative: raises BadControl for what the books can't be asked.
    why_no_embeddings: for caches that an upstream embeds for; None: not known here.
    check_scope: of a plan, raises BadRequest.
    """

    def __init__(
        self,
        store: ControlStore,
        secret: bytes,
        clock: Clock,
        timezone: str,
        upstreams: Collection[str] | None = None,
        knows_model: KnowsModel | None = None,
        check_initiative: Callable[[InitiativeTerms], None] = _unasked,
        why_no_embeddings: WhyNot | None = None,
        check_scope: Callable[[str], object] = _unread,
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._timezone = timezone
        self._upstreams = upstreams
        self._knows_model = knows_model
        self._check_initiative = check_initiative
        self._why_no_embeddings = why_no_embeddings
        self._check_scope = check_scope

    def export(self) -> str:
        """The file that says what is in force now."""
        with self._store.reading() as connection:
            sections = self._sections(OpenTransaction(self._store, connection))
            found: dict[str, Any] = {"version": int(VERSION)}
            for section in sections:
                items = section.in_force()
                found[section.name] = (
                    [item.told for item in items] if section.is_list else {item.name: item.told for item in items}
                )
        return write_document(found)

    def compare(self, data: bytes, *, prune: bool) -> list[Change]:
        """What `apply` would do: it is done and undone, so that whatever would refuse it refuses it here."""
        document = Document(data)
        changes: list[Change] = []
        with suppress(_Undone), self._store.writing() as connection:
            sections = self._sections(OpenTransaction(self._store, connection))
            changes = _apply(sections, document, prune=prune, actor="")
            raise _Undone
        return changes

    def apply(self, data: bytes, *, prune: bool, actor: str, openings: Openings) -> list[Change]:
        """Make the state what the file says, all of it or, where an error is raised, nothing.

        prune: remove what the file's sections lack. Raises BadControlFile that names the line, and what each kind's
        own rules refuse.
        """
        document = Document(data)
        with self._store.writing() as connection:
            sections = self._sections(OpenTransaction(self._store, connection), openings)
            return _apply(sections, document, prune=prune, actor=actor)

    def find(self, section: str, name: str) -> Item | None:
        """One thing as it is in force now, as a file would say it."""
        with self._store.reading() as connection:
            return self._held(section, OpenTransaction(self._store, connection)).get(name)

    def propose(self, section: str, name: str, entry: Entry) -> Proposal:
        """One thing as somebody wants it, read and checked, beside what is in force. It changes nothing.

        Raises what its section does, with the entry's field.
        """
        with self._store.reading() as connection:
            store = OpenTransaction(self._store, connection)
            return _propose(self._section(section, store), name, entry)

    def put(
        self, section: str, name: str, entry: Entry, *, seen: str | None, actor: str, reason: str, openings: Openings
    ) -> Item:
        """Make one thing, or change it to what an entry says.

        seen: the mark (`mark_of`) of what its writer had before them; None: it must be new. reason: of another limit.
        Raises NameTaken, ChangedMeanwhile, and what its section does, with the entry's field.
        """
        with self._store.writing() as connection:
            store = OpenTransaction(self._store, connection)
            made_of = self._section(section, store, openings, reason)
            proposal = _propose(made_of, name, entry)
            _check_seen(proposal, seen)
            if proposal.old is None:
                made_of.create(proposal.new, actor=actor)
            elif proposal.old.told != proposal.new.told:
                made_of.change(proposal.old, proposal.new, actor=actor)
            return self._held(section, store)[proposal.new.name]

    def _held(self, section: str, store: ControlStore) -> dict[str, Item]:
        return {item.name: item for item in self._section(section, store).in_force()}

    def _section(
        self, name: str, store: ControlStore, openings: Openings | None = None, reason: str = FILE_REASON
    ) -> Section:
        return next(one for one in self._sections(store, openings, reason) if one.name == name)

    def _sections(
        self, store: ControlStore, openings: Openings | None = None, reason: str = FILE_REASON
    ) -> list[Section]:
        parts = (store, self._secret, self._clock)
        desk = AlertDesk(*parts, self._timezone)
        return [
            BudgetSection(Budgets(*parts, self._knows_model), self._clock, self._timezone, openings or {}, reason),
            PolicySection(Policies(*parts), store),
            LimitSection(Limits(*parts), store),
            KillSection(Kills(*parts), store),
            RouteSection(RouteBook(*parts, self._upstreams)),
            CacheSection(CacheBook(*parts, self._why_no_embeddings), store),
            InitiativeSection(InitiativeBook(*parts, self._check_initiative)),
            PlanSection(PlanBook(*parts, self._check_scope)),
            ChannelSection(desk),
            RuleSection(desk),
        ]


def _apply(sections: list[Section], document: Document, *, prune: bool, actor: str) -> list[Change]:
    """Everything is read and checked before the first change. Rules go before the channels that they name."""
    given = _check_top(document)
    wanted = {
        section.name: _read(section, document, given[section.name]) for section in sections if section.name in given
    }
    present = [section for section in sections if section.name in given]
    held = {section.name: {item.name: item for item in section.in_force()} for section in present}
    changes = []
    for section in reversed(present if prune else []):
        for name, old in held[section.name].items():
            if name not in wanted[section.name]:
                section.remove(old, actor=actor)
                changes.append(Change(section.name, name, "remove", _fields(old.told, {})))
    for section in present:
        for name, (place, new) in wanted[section.name].items():
            change = _difference(section, held[section.name].get(name), new)
            if change is not None:
                _make(section, document, place, held[section.name].get(name), new, actor)
                changes.append(change)
    return sorted(changes, key=lambda change: SECTIONS.index(change.section))


def _make(section: Section, document: Document, place: Place, old: Item | None, new: Item, actor: str) -> None:
    try:
        if old is None:
            section.create(new, actor=actor)
        else:
            section.change(old, new, actor=actor)
    except BursarError as error:
        raise document.error(_at(place, error), error.message) from error


def mark_of(item: Item) -> str:
    """What tells whether a thing is still as somebody saw it."""
    return blake2b(msgspec.json.encode(item.told, enc_hook=str, order="deterministic"), digest_size=8).hexdigest()


def _propose(section: Section, name: str, entry: Entry) -> Proposal:
    new = section.read(name, entry)
    old = next((item for item in section.in_force() if item.name == new.name), None)
    return Proposal(old, new, _begins(section, old, new))


def _check_seen(proposal: Proposal, seen: str | None) -> None:
    name = proposal.new.name
    if seen is None and proposal.old is not None:
        raise NameTaken(f"there is one named {name!r} already; change that one, or take another name", field="name")
    if seen is not None and proposal.old is None:
        raise ChangedMeanwhile(f"{name!r} was removed meanwhile; make a new one if it is still wanted", field="name")
    if seen is not None and proposal.old is not None and seen != mark_of(proposal.old):
        raise ChangedMeanwhile(
            f"somebody changed {name!r} since this form was opened; open it again, so that their change isn't undone",
            field="name",
        )


def _difference(section: Section, old: Item | None, new: Item) -> Change | None:
    begins = _begins(section, old, new)
    if old is None:
        return Change(section.name, new.name, "create", _fields({}, new.told), begins)
    if old.told == new.told:
        return None
    return Change(section.name, new.name, "change", _fields(old.told, new.told), begins)


def _begins(section: Section, old: Item | None, new: Item) -> Budget | None:
    """The budget, if it is one whose count begins with this."""
    if not isinstance(new.value, Budget):
        return None
    if old is not None and isinstance(section, BudgetSection) and not section.remakes(old, new):
        return None
    return new.value


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Field]:
    names = [*after, *(name for name in before if name not in after)]
    return [Field(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _check_top(document: Document) -> dict[str, Any]:
    if not isinstance(document.value, dict):
        raise document.error((), f"a file has sections: {', '.join(SECTIONS)}")
    given = dict(document.value)
    if given.pop("version", VERSION) != VERSION:
        raise document.error(("version",), f"this Bursar reads version {VERSION}")
    for name in given:
        if name not in SECTIONS:
            raise document.error((name,), f"there is no such section; there are {', '.join(SECTIONS)}")
    return given


def _read(section: Section, document: Document, value: Any) -> dict[str, tuple[Place, Item]]:
    """The items of a section by name, each with its place."""
    entries: list[tuple[str, Any]]
    if section.is_list and isinstance(value, list):
        entries = [(str(at), entry) for at, entry in enumerate(value)]
    elif not section.is_list and isinstance(value, dict):
        entries = list(value.items())
    else:
        raise document.error((section.name,), f"is a {'list' if section.is_list else 'mapping of names'}, please")
    found: dict[str, tuple[Place, Item]] = {}
    for key, entry in entries:
        place = (section.name, key)
        if not isinstance(entry, dict):
            raise document.error(place, "fields with their values, please")
        try:
            item = section.read(key, entry)
        except BursarError as error:
            raise document.error(_at(place, error), error.message) from error
        if item.name in found:
            raise document.error(place, f"{item.name!r} is there twice")
        found[item.name] = (place, item)
    return found


def _at(place: Place, error: BursarError) -> Place:
    return (*place, *error.field.split(".")) if error.field else place

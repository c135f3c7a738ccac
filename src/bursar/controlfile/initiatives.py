"""The section of initiatives in a control file: what each says, and how far it is. What was booked is in none."""

from datetime import date
from typing import Any

import msgspec

from bursar.controlfile.sections import Entry, Item, convert
from bursar.domain.errors import BadControlFile
from bursar.domain.initiatives import Initiative, InitiativeTerms, Status
from bursar.governance.checks import check_name
from bursar.governance.initiatives import InitiativeBook


class _How(msgspec.Struct):
    """How far it is. ended: of a stopped one, the day from which on nothing is counted."""

    status: Status = "planned"
    ended: date | None = None


class InitiativeSection:
    """Initiatives. A changed one stays the same, so that what was booked of it goes on."""

    name, is_list = "initiatives", False

    def __init__(self, book: InitiativeBook) -> None:
        self._book = book

    def in_force(self) -> list[Item]:
        return [_item(one) for one in self._book.all()]

    def read(self, name: str, entry: Entry) -> Item:
        rest = dict(entry)
        own: Entry = {field: rest.pop(field) for field in ("status", "ended") if field in entry}
        how, terms = convert(own, _How), self._book.check(convert(rest, InitiativeTerms))
        if (how.status == "stopped") != (how.ended is not None):
            raise BadControlFile("a stopped one says the day it ended, and no other does", field="ended")
        if how.status != "planned" and terms.start is None:
            raise BadControlFile(f"it is {how.status}, so it needs the day on which it began", field="start")
        return _item(Initiative("", check_name(name), terms, how.status, how.ended, 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        made = self._book.create(item.name, item.value.terms, actor=actor)
        self._turn(made, item.value, actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        before: Initiative = old.value
        after: Initiative = new.value
        if after.status == "planned" and before.status != "planned":
            raise BadControlFile("it has begun; it can be stopped", field="status")
        if before.status == "stopped" and before.ended != after.ended:
            before = self._book.start(before.initiative_id, actor=actor)  # else its end would bound its start
        changed = self._book.change(before.initiative_id, after.terms, actor=actor)
        self._turn(changed, after, actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._book.remove(old.value.initiative_id, actor=actor)

    def _turn(self, one: Initiative, wanted: Initiative, actor: str) -> None:
        """From where it is to where it shall be."""
        if (one.status, one.ended) == (wanted.status, wanted.ended):
            return
        if one.status in ("planned", "stopped") or wanted.status == "running":
            self._book.start(one.initiative_id, actor=actor)
        if wanted.status == "done":
            self._book.finish(one.initiative_id, actor=actor)
        if wanted.status == "stopped":
            self._book.stop(one.initiative_id, wanted.ended, actor=actor)


def _item(one: Initiative) -> Item:
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(one.terms, order="deterministic"))
    if one.status != "planned":
        told["status"] = one.status
    if one.ended is not None:
        told["ended"] = one.ended.isoformat()
    return Item(one.name, one, told)

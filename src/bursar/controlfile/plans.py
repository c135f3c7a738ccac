"""The section of planned events in a control file."""

import msgspec

from bursar.controlfile.sections import Entry, Item, convert
from bursar.domain.plans import Plan, PlanTerms
from bursar.governance.checks import check_name
from bursar.governance.plans import PlanBook


class PlanSection:
    """Planned events."""

    name, is_list = "plans", False

    def __init__(self, book: PlanBook) -> None:
        self._book = book

    def in_force(self) -> list[Item]:
        return [_item(one) for one in self._book.all()]

    def read(self, name: str, entry: Entry) -> Item:
        return _item(Plan("", check_name(name), self._book.check(convert(dict(entry), PlanTerms)), 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        self._book.add(item.name, item.value.terms, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self._book.change(old.value.plan_id, new.value.terms, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._book.remove(old.value.plan_id, actor=actor)


def _item(one: Plan) -> Item:
    return Item(one.name, one, msgspec.json.decode(msgspec.json.encode(one.terms, order="deterministic")))

"""Tax records in the control store: appended versions, each change in the audit log."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadTax, UnknownControl
from bursar.domain.ids import random_id
from bursar.finance.tax.kept import (
    KINDS,
    DocumentTerms,
    PaperTerms,
    PositionTerms,
    RulesTerms,
    TaxRecord,
    Terms,
    check_kept,
    rule_file,
)
from bursar.finance.tax.rules import RuleBook, shipped_rules
from bursar.governance.audit import record_change
from bursar.governance.schema import TAX_RECORDS
from bursar.governance.store import ControlStore

NAME_MAX = 200
RECORDS_MAX = 20_000


class TaxBook:
    """What a site said of its taxes. secret: of the audit log."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def save(self, kind: str, name: str, terms: Terms, *, actor: str) -> TaxRecord:
        """A first version, or one more; the same terms again are no version. Raises BadTax, UnknownControl."""
        self.save_all([(kind, name, terms)], actor=actor)
        return self.one(kind, name)

    def save_all(self, records: list[tuple[str, str, Terms]], *, actor: str) -> int:
        """All of them or none; how many were new or changed. Raises BadTax, UnknownControl for names they refer to."""
        changed = 0
        with self._store.writing() as connection:
            known = {(one.kind, one.name): one for one in self._newest(connection) if one.terms is not None}
            names = {*known, *((kind, name) for kind, name, _ in records)}
            for kind, name, terms in records:
                self._check(kind, name, terms, names)
                _check_bill(name, terms, known)
                before = known.get((kind, name))
                if before is not None and before.terms == terms:
                    continue
                known[kind, name] = TaxRecord("", kind, name, 0, terms, 0, actor)
                self._append(connection, kind, name, msgspec.json.encode(terms).decode(), actor)
                changed += 1
            count = connection.execute(select(func.count()).select_from(TAX_RECORDS)).scalar_one()
            if count > RECORDS_MAX:
                raise BadTax(f"records: {count} versions, at most {RECORDS_MAX}", field="records")
        return changed

    def remove(self, kind: str, name: str, *, actor: str) -> TaxRecord:
        """Out of every sheet; its versions stay. Raises UnknownControl."""
        gone = self.one(kind, name)
        with self._store.writing() as connection:
            self._append(connection, kind, name, "", actor)
        return gone

    def all(self, kind: str) -> list[TaxRecord]:
        """The newest version of each that wasn't removed, by name."""
        with self._store.reading() as connection:
            return [one for one in self._newest(connection) if one.kind == kind and one.terms is not None]

    def one(self, kind: str, name: str) -> TaxRecord:
        """Raises UnknownControl."""
        found = next((one for one in self.all(kind) if name in (one.name, one.record_id)), None)
        if found is None:
            raise UnknownControl(f"no {kind} of tax is named {name[:200]!r} (`bursar tax list {kind}`)", field="name")
        return found

    def history(self, kind: str, name: str) -> list[TaxRecord]:
        """Every version, oldest first."""
        wanted = (TAX_RECORDS.c.kind == kind) & (TAX_RECORDS.c.name == name)
        with self._store.reading() as connection:
            rows = connection.execute(select(TAX_RECORDS).where(wanted).order_by(TAX_RECORDS.c.version))
            return [_record(row) for row in rows]

    def rules(self) -> RuleBook:
        """The shipped rules and the site's own. Raises BadTax."""
        own = [rule_file(one.terms, one.name) for one in self.all("rules") if isinstance(one.terms, RulesTerms)]
        return shipped_rules().with_more(own)

    def _check(self, kind: str, name: str, terms: Terms, names: set[tuple[str, str]]) -> None:
        if kind not in KINDS or not isinstance(terms, KINDS[kind]):
            raise BadTax(f"kind: {kind[:40]!r}; it is {', '.join(KINDS)}", field="kind")
        if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
            raise BadTax(f"name: a printable text of 1 to {NAME_MAX} characters is needed", field="name")
        check_kept(terms)
        wanted = [("entity", one) for one in _entities(terms)]
        if isinstance(terms, DocumentTerms):
            wanted.append(("payer", terms.payer))
        if isinstance(terms, RulesTerms):
            shipped_rules().with_more([rule_file(terms, name)])
        for other, text in wanted:
            if (other, text) not in names:
                raise UnknownControl(f"no {other} of tax is named {text[:200]!r}; add it first", field=other)

    def _newest(self, connection: Connection) -> list[TaxRecord]:
        rows = connection.execute(select(TAX_RECORDS).order_by(TAX_RECORDS.c.version))
        found = {(row.kind, row.name): row for row in rows}
        return [_record(found[key]) for key in sorted(found)]

    def _append(self, connection: Connection, kind: str, name: str, text: str, actor: str) -> None:
        wanted = (TAX_RECORDS.c.kind == kind) & (TAX_RECORDS.c.name == name)
        last = connection.execute(select(func.max(TAX_RECORDS.c.version)).where(wanted)).scalar_one() or 0
        new_id = random_id("tx_")
        now_us = self._clock.now_us()
        connection.execute(
            insert(TAX_RECORDS).values(
                id=new_id, kind=kind, name=name, version=last + 1, terms=text, created_us=now_us, created_by=actor
            )
        )
        action = "remove" if not text else "change" if last else "create"
        record_change(
            connection, self._secret, at_us=now_us, actor=actor, action=f"tax.{kind}.{action}", subject=new_id,
            detail={"name": name, "version": str(last + 1), "terms": text},
        )  # fmt: skip


def _check_bill(name: str, terms: Terms, known: Mapping[tuple[str, str], TaxRecord]) -> None:
    """A bill is in one document. Raises BadTax for a second one."""
    if not isinstance(terms, DocumentTerms) or not terms.bill:
        return
    other = next(
        (one.name for one in known.values()
         if isinstance(one.terms, DocumentTerms) and one.terms.bill == terms.bill and one.name != name), "",
    )  # fmt: skip
    if other:
        raise BadTax(f"bill: {terms.bill} is in document {other!r} already; a bill is in one", field="bill")


def _entities(terms: Terms) -> list[str]:
    """Names of entities that it refers to."""
    match terms:
        case PaperTerms():
            return [terms.entity]
        case PositionTerms():
            return [terms.entity] if terms.entity else []
        case DocumentTerms():
            lines = [str(line["entity"]) for line in terms.lines if line.get("entity")]
            return [*([terms.entity] if terms.entity else []), *lines]
    return []


def _record(row: Row[Any]) -> TaxRecord:
    terms = msgspec.json.decode(row.terms, type=KINDS[row.kind]) if row.terms else None
    return TaxRecord(row.id, row.kind, row.name, row.version, terms, row.created_us, row.created_by)

"""Customers, plans, revenue, seats and events as a file from the browser, with its columns matched to our fields."""

from itertools import islice
from typing import Any

import msgspec

from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.uploads.parts import COLUMNS_SHOWN, LOOK_BYTES, ROWS_SHOWN, Ask, Given, Look, Match, clipped
from bursar.console.uploads.shelf import Outcome, Upload
from bursar.domain.errors import BadControl, BursarError
from bursar.finance.business.bringing import KINDS, STRIPE, Brought, Wish, bring
from bursar.finance.business.mapping import FIELDS, Reading, guess_kind, guessed
from bursar.finance.business.sheets import FILE_BYTES_MAX, XLSX_MAGIC, table_of
from bursar.finance.business.stripe_exports import is_export

COLUMN, CONSTANT = "col_", "set_"
KIND_WORDS = {
    "customers": "Customers", "plans": "Plans", "revenue": "Revenue", "seats": "Seats", "events": "Business events",
    "stripe": "Stripe, as it exports them",
}  # fmt: skip
DATES = (("", "2026-11-01"), ("%d/%m/%Y", "01/11/2026 (day first)"), ("%m/%d/%Y", "11/01/2026 (month first)"),
         ("%d.%m.%Y", "01.11.2026"), ("%d-%b-%Y", "01-Nov-2026"), ("%Y/%m/%d", "2026/11/01"))  # fmt: skip
SIGNS = ((".", "1,234.50"), (",", "1.234,50"))


class BusinessTarget:
    """What the page Customers is told."""

    title = "Customers, plans, revenue"
    back = "/customers"
    nav = "customers"
    limit = FILE_BYTES_MAX

    def look(self, context: ConsoleContext, one: Upload, given: Given) -> Look:
        content, is_part = _beginning(context, one)
        is_json = content.lstrip()[:1] in (b"{", b"[")
        try:
            table = None if is_json else table_of(content)
            heads = [] if table is None else list(table.heads)
            rows = [] if table is None else [list(row) for _, row in islice(table.rows, ROWS_SHOWN)]
        except BursarError as error:
            return Look(asks=[], problem=error.message)
        kind = given.get("kind") or (STRIPE if is_json or is_export(heads) else guess_kind(heads))
        if kind not in KINDS:
            return Look(asks=[], problem=f"kind is {kind[:40]!r}; it can be {', '.join(KINDS)}")
        shown: dict[str, Any] = {"heads": heads[:COLUMNS_SHOWN], "rows": clipped(rows), "columns": heads}
        if kind == STRIPE:
            asks = [_kind_ask(kind), _key_ask(given)]
            return self._tried(context, content, Wish(kind=kind, source=one.name, is_trial=True,
                                                      customer_key=_key(given)), asks, shown, is_part)  # fmt: skip
        try:
            reading = self._reading(context, kind, heads, given)
        except BursarError as error:
            return Look(asks=[_kind_ask(kind)], problem=error.message, **shown)
        asks = [
            _kind_ask(kind), Ask("date_format", "Days are written", reading.date_format, list(DATES)),
            Ask("decimal_sign", "Amounts are written", reading.decimal_sign, list(SIGNS)),
            Ask("skip", "Leave faulty rows out", given.get("skip", ""), is_flag=True),
        ]  # fmt: skip
        shown["matches"] = [
            Match(field.name, field.needed, reading.columns.get(field.name, ""), reading.constants.get(field.name, ""))
            for field in FIELDS[reading.kind]
        ]
        shown["mappings"] = [
            (name, saved.kind) for name, saved in context.finance().mappings.all().items() if saved.kind == kind
        ]
        wish = Wish(kind=kind, source=one.name, reading=reading, is_trial=True, skip_faults=given.get("skip") == "yes")
        return self._tried(context, content, wish, asks, shown, is_part)

    def keep(self, context: ConsoleContext, one: Upload, given: Given) -> Outcome:
        content = context.uploads().content(one)
        kind = given.get("kind", "")
        wish = Wish(kind=kind, source=one.name, customer_key=_key(given), skip_faults=given.get("skip") == "yes")
        if kind != STRIPE:
            reading = self._reading(context, kind, list(table_of(content).heads), given)
            wish = msgspec.structs.replace(wish, reading=reading)
        told = bring(context.finance().business, content, wish, actor=ACTOR)
        faults = [(fault.line, fault.column, fault.message) for fault in told.faults]
        if told.kept is None:
            return Outcome(False, told.notes, faults=faults, fault_count=told.fault_count)
        return Outcome(True, [*_said(told), *told.notes], self.back, faults, told.fault_count)

    def save(self, context: ConsoleContext, one: Upload, given: Given, name: str) -> None:
        if given.get("kind") == STRIPE:
            raise BadControl("name: Stripe's own shapes need no mapping", field="name")
        heads = list(table_of(_beginning(context, one)[0]).heads)
        context.finance().mappings.put(
            name, self._reading(context, given.get("kind", ""), heads, given), actor=ACTOR
        )  # fmt: skip

    def _reading(self, context: ConsoleContext, kind: str, heads: list[str], given: Given) -> Reading:
        """As the form says; as a saved mapping says; else as the heads are understood. Raises BadBusiness and as a
        mapping does."""
        if given.get("mapping"):
            saved = context.finance().mappings.one(given["mapping"])
            return msgspec.structs.replace(saved, columns=guessed(saved, heads) | saved.columns)
        plain = Reading(kind=kind)  # type: ignore[arg-type]  # of KINDS, and a page's own choice
        if not any(name.startswith((COLUMN, CONSTANT)) for name in given):
            return msgspec.structs.replace(plain, columns=guessed(plain, heads))
        return Reading(
            kind=plain.kind, columns=_with(given, COLUMN), constants=_with(given, CONSTANT),
            date_format=given.get("date_format", ""), decimal_sign=given.get("decimal_sign") or ".",
            is_exact=True,
        )  # fmt: skip

    def _tried(
        self, context: ConsoleContext, content: bytes, wish: Wish, asks: list[Ask], shown: dict[str, Any], is_part: bool
    ) -> Look:
        try:
            told = bring(context.finance().business, content, wish, actor=ACTOR)
        except BursarError as error:
            return Look(asks=asks, problem=error.message, **shown)
        notes = list(told.notes)
        if is_part:
            notes.insert(0, f"The first {LOOK_BYTES // 1_048_576} MiB were looked at; all of it is checked when it is "
                            "brought in, and nothing is kept while a row has a fault.")  # fmt: skip
        return Look(
            asks=asks, said=_said(told), notes=notes, fault_count=told.fault_count,
            faults=[(one.line, one.column, one.message) for one in told.faults], **shown,
        )  # fmt: skip


def _beginning(context: ConsoleContext, one: Upload) -> tuple[bytes, bool]:
    """The file, or the first whole lines of a large CSV; whether it is only these."""
    shelf = context.uploads()
    content = shelf.content(one, LOOK_BYTES)
    if one.size <= LOOK_BYTES:
        return content, False
    if content.startswith(XLSX_MAGIC) or content.lstrip()[:1] in (b"{", b"["):
        return shelf.content(one), False
    return content[: content.rfind(b"\n") + 1], True


def _said(told: Brought) -> list[str]:
    if told.kept is None:
        return []
    would = "would be " if told.is_trial else ""
    return [
        f"{one.kind}: {one.added:,} {would}added, {one.replaced:,} {would}replaced, {one.same:,} there already"
        for one in told.kept
    ] or ["there is nothing in it"]


def _with(given: Given, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value.strip()
        for name, value in given.items()
        if name.startswith(prefix) and value.strip()
    }


def _kind_ask(kind: str) -> Ask:
    return Ask("kind", "It has", kind, list(KIND_WORDS.items()))


def _key(given: Given) -> str:
    return given.get("customer_key", "").strip() or "id"


def _key_ask(given: Given) -> Ask:
    return Ask(
        "customer_key",
        "Calls are tagged with",
        _key(given),
        hint="id, email, name or metadata.NAME of Stripe's customers",
    )

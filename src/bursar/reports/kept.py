"""Reports as they were made: what was sent once can be had again byte for byte, whatever came into the books since."""

import hashlib
import re
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Row, Select, insert, select

from bursar.domain.clock import Clock
from bursar.domain.errors import BadRequest
from bursar.governance.audit import record_change
from bursar.governance.schema import REPORTS_MADE
from bursar.governance.store import ControlStore

ReportKind = Literal["board", "pack"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)
TITLES: dict[ReportKind, str] = {"board": "Board report", "pack": "Finance pack"}


class Files(msgspec.Struct, frozen=True):
    """A report's files. xlsx: of the pack alone. state: how firm its figures are."""

    state: str
    pdf: bytes
    xlsx: bytes | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over both, in hex."""
        return hashlib.sha256(self.pdf + (self.xlsx or b"")).hexdigest()


class Made(msgspec.Struct, frozen=True):
    """One version of a report, without its files."""

    kind: str
    period: str
    version: int
    made_us: int
    made_by: str
    state: str
    digest: str
    has_xlsx: bool


class ReportBook:
    """The reports of a site; appended only. secret: the site's, for the audit log's chain."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def keep(self, kind: ReportKind, period: str, files: Files, *, actor: str) -> Made:
        """A version of its own, or the last one where it has the same bytes. Audited."""
        now_us = self._clock.now_us()
        with self._store.writing() as connection:
            last = connection.execute(_versions(kind, period).limit(1)).first()
            if last is not None and last.digest == files.digest:
                return _made(last)
            version = 1 if last is None else last.version + 1
            connection.execute(
                insert(REPORTS_MADE).values(
                    kind=kind, period=period, version=version, made_us=now_us, made_by=actor, state=files.state,
                    digest=files.digest, pdf=files.pdf, xlsx=files.xlsx,
                )
            )  # fmt: skip
            record_change(
                connection, self._secret, at_us=now_us, actor=actor, action="report.make",
                subject=f"{kind} {period}", detail={"version": version, "digest": files.digest, "state": files.state},
            )  # fmt: skip
            return Made(kind, period, version, now_us, actor, files.state, files.digest, files.xlsx is not None)

    def last(self, kind: ReportKind, period: str) -> tuple[Made, Files] | None:
        """The newest version with its files, or None."""
        with self._store.reading() as connection:
            found = connection.execute(_versions(kind, period).limit(1)).first()
            return None if found is None else (_made(found), Files(found.state, found.pdf, found.xlsx))

    def version(self, kind: ReportKind, period: str, number: int) -> tuple[Made, Files] | None:
        """One version with its files, or None."""
        with self._store.reading() as connection:
            found = connection.execute(_versions(kind, period).where(REPORTS_MADE.c.version == number)).first()
            return None if found is None else (_made(found), Files(found.state, found.pdf, found.xlsx))

    def all(self) -> list[Made]:
        """Every version, the newest month first, of each the newest version first."""
        columns = [column for column in REPORTS_MADE.c if column.name not in ("pdf", "xlsx")]
        has_xlsx = REPORTS_MADE.c.xlsx.is_not(None).label("has_xlsx")
        ordered = (REPORTS_MADE.c.period.desc(), REPORTS_MADE.c.kind, REPORTS_MADE.c.version.desc())
        with self._store.reading() as connection:
            rows = connection.execute(select(*columns, has_xlsx).order_by(*ordered))
            return [
                Made(row.kind, row.period, row.version, row.made_us, row.made_by, row.state, row.digest,
                     bool(row.has_xlsx))
                for row in rows
            ]  # fmt: skip


def report_kind(name: str) -> ReportKind:
    """Raises BadRequest."""
    known = next((kind for kind in REPORT_KINDS if kind == name), None)
    if known is None:
        raise BadRequest(f"{name[:40]!r} is no report; there are {' and '.join(REPORT_KINDS)}", field="kind")
    return known


def report_month(name: str) -> str:
    """`2026-10`. Raises BadRequest."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", name):
        raise BadRequest(f"{name[:40]!r} is no month; write 2026-10", field="month")
    return name


def _versions(kind: ReportKind, period: str) -> Select[Any]:
    where = (REPORTS_MADE.c.kind == kind, REPORTS_MADE.c.period == period)
    return select(REPORTS_MADE).where(*where).order_by(REPORTS_MADE.c.version.desc())


def _made(row: Row[Any]) -> Made:
    return Made(
        row.kind, row.period, row.version, row.made_us, row.made_by, row.state, row.digest, row.xlsx is not None
    )

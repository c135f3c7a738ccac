"""Work that a provider finishes later: who began it, how it stands, and that its cost is posted exactly once.

A row is there before the request goes out, so that no batch is forgotten by a crash; one whose provider's id never
arrived is found again among the provider's batches. What a job is held for stands in its budgets as spent from the
start (`held`); settling posts the difference to its true cost in the transaction that marks it settled.
"""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, Row, Update, delete, insert, or_, select, update

from bursar.budgets.balances import lock_value
from bursar.budgets.lease import BalanceKey
from bursar.budgets.statements import BALANCE, about, set_balance
from bursar.domain.jobs import CACHE, Job, JobDetail, Models
from bursar.governance.schema import PROVIDER_FILES, PROVIDER_JOBS
from bursar.governance.store import ControlStore

CLAIM_US = 120 * 1_000_000  # a poller that died with a job leaves it to the next one after so long


FORGET_US = 7 * 86_400 * 1_000_000  # a cached content that is gone isn't looked up any more


class Recosted(msgspec.Struct, frozen=True):
    """What an attempt costs now, by the books. cost_pico None: unpriced, so what stands for it stays."""

    job_key: str
    attempt_id: str
    cost_pico: int | None
    is_final: bool


class JobBook:
    """The jobs and files of a control store. Synchronous: for a thread."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store

    def begin(self, job: Job) -> None:
        """Write a job down before its request goes out."""
        values = msgspec.structs.asdict(job) | {"detail": _text(job.detail), "cost_pico": None}
        with self._store.writing() as connection:
            connection.execute(insert(PROVIDER_JOBS).values(values))

    def drop(self, job_key: str) -> None:
        """The provider refused it: there is no such job."""
        with self._store.writing() as connection:
            connection.execute(delete(PROVIDER_JOBS).where(PROVIDER_JOBS.c.job_key == job_key))

    def amend(self, job_key: str, detail: JobDetail) -> None:
        """What is held for it, once that is known."""
        with self._store.writing() as connection:
            connection.execute(_of(job_key).values(detail=_text(detail)))

    def saw(self, job_key: str, upstream_id: str, status: str, output_id: str, errors_id: str, next_us: int) -> None:
        """How the provider says that it stands. An id that is known stays known."""
        said = {"upstream_id": upstream_id, "status": status, "output_id": output_id, "errors_id": errors_id}
        values: dict[str, object] = {name: value for name, value in said.items() if value}
        with self._store.writing() as connection:
            connection.execute(_of(job_key).values(**values, next_us=next_us))

    def find(self, any_id: str, upstreams: Collection[str] = ()) -> Job | None:
        """The job that has this id at its provider, or whose results are in this file."""
        columns = PROVIDER_JOBS.c
        which = or_(columns.upstream_id == any_id, columns.output_id == any_id, columns.errors_id == any_id)
        with self._store.reading() as connection:
            rows = connection.execute(select(PROVIDER_JOBS).where(which).order_by(columns.created_us)).all()
        found = [_job(row) for row in rows if any_id and (not upstreams or row.upstream in upstreams)]
        return found[0] if found else None

    def job(self, job_key: str) -> Job | None:
        with self._store.reading() as connection:
            row = connection.execute(select(PROVIDER_JOBS).where(PROVIDER_JOBS.c.job_key == job_key)).first()
        return _job(row) if row else None

    def known_ids(self, upstream: str) -> set[str]:
        """The providers' ids of all jobs at an upstream."""
        columns = PROVIDER_JOBS.c
        with self._store.reading() as connection:
            return set(connection.execute(select(columns.upstream_id).where(columns.upstream == upstream)).scalars())

    def owners(self, ids: Collection[str]) -> dict[str, str]:
        """Whose these jobs, results and files are; those that nobody made through Bursar are left out."""
        columns = PROVIDER_JOBS.c
        found: dict[str, str] = {}
        with self._store.reading() as connection:
            asked = [(column, columns.owner) for column in (columns.upstream_id, columns.output_id, columns.errors_id)]
            asked.append((PROVIDER_FILES.c.file_id, PROVIDER_FILES.c.owner))
            for column, owner in asked:
                rows = connection.execute(select(column, owner).where(column.in_(ids))).all()
                found |= {row[0]: row[1] for row in rows}
        return found

    def claim(self, now_us: int, limit: int) -> list[Job]:
        """Jobs that it is time to ask about; whoever else looks doesn't get them for CLAIM_US."""
        columns = PROVIDER_JOBS.c
        due = select(PROVIDER_JOBS).where(columns.next_us > 0, columns.next_us <= now_us).order_by(columns.next_us)
        with self._store.reading() as connection:  # nearly always there is nothing, and no lock to take
            if not connection.execute(due.limit(1)).first():
                return []
        with self._store.writing() as connection:
            jobs = [_job(row) for row in connection.execute(due.limit(limit)).all()]
            keys = [job.job_key for job in jobs]
            connection.execute(
                update(PROVIDER_JOBS)
                .where(columns.job_key.in_(keys))
                .values(next_us=now_us + CLAIM_US, polls=columns.polls + 1)
            )
        return jobs

    def ask_again(self, job_key: str, next_us: int) -> None:
        """When to ask next; 0: never."""
        with self._store.writing() as connection:
            connection.execute(_of(job_key).values(next_us=next_us))

    def read(self, job_key: str, part: str, cost_pico: int, *, is_unpriced: bool, is_all: bool, now_us: int) -> bool:
        """A part of the results is in the journal, and what it cost; with the last one the job is settled, once.

        True: it was settled by this. Reading a part again changes nothing.
        """
        with self._store.writing() as connection:
            row = connection.execute(select(PROVIDER_JOBS).where(PROVIDER_JOBS.c.job_key == job_key)).first()
            if row is None:
                return False
            job = _job(row)
            detail = job.detail
            if part not in detail.read:
                detail = msgspec.structs.replace(
                    detail,
                    read=[*detail.read, part],
                    cost_pico=detail.cost_pico + cost_pico,
                    is_unpriced=detail.is_unpriced or is_unpriced,
                )
                connection.execute(_of(job_key).values(detail=_text(detail)))
            if not is_all or not job.is_open:
                return False
            cost = max(detail.cost_pico, detail.posted_pico) if detail.is_unpriced else detail.cost_pico
            _post_difference(connection, detail, cost - detail.posted_pico)
            connection.execute(_of(job_key).values(settled_us=now_us, cost_pico=str(detail.cost_pico)))
        return True

    def newest(self, kind: str, upstream_id: str) -> Job | None:
        """The last one of its kind that was begun about something."""
        columns = PROVIDER_JOBS.c
        query = select(PROVIDER_JOBS).where(columns.upstream_id == upstream_id, columns.kind == kind)
        with self._store.reading() as connection:
            row = connection.execute(query.order_by(columns.created_us.desc()).limit(1)).first()
        return _job(row) if row else None

    def recost(self, news: Sequence[Recosted], now_us: int) -> set[str]:
        """Post what attempts cost now, in place of what stands for them, to the budgets that they were settled in.

        Told twice, it is posted once. Those that are final are forgotten FORGET_US later. Returns the attempts that are
        known here.
        """
        known: set[str] = set()
        columns = PROVIDER_JOBS.c
        with self._store.writing() as connection:
            for one in news:
                row = connection.execute(select(PROVIDER_JOBS).where(columns.job_key == one.job_key)).first()
                if row is None or (job := _job(row)).detail.attempt_id != one.attempt_id:
                    continue
                known.add(one.attempt_id)
                detail = job.detail
                if one.cost_pico is not None and detail.held and one.cost_pico != detail.posted_pico:
                    _post_difference(connection, detail, one.cost_pico - detail.posted_pico)
                    detail = msgspec.structs.replace(detail, posted_pico=one.cost_pico)
                cost = None if one.cost_pico is None else str(one.cost_pico)
                settled_us = now_us if one.is_final else None
                connection.execute(_of(one.job_key).values(detail=_text(detail), settled_us=settled_us, cost_pico=cost))
            old = (columns.kind == CACHE, columns.settled_us < now_us - FORGET_US)
            connection.execute(delete(PROVIDER_JOBS).where(*old))
        return known

    def close(self, job_key: str, status: str, now_us: int) -> None:
        """Give it up: its provider doesn't have it any more, or will never say. What is posted for it stays."""
        with self._store.writing() as connection:
            connection.execute(
                _of(job_key).where(PROVIDER_JOBS.c.settled_us.is_(None)).values(settled_us=now_us, status=status)
            )
            connection.execute(_of(job_key).values(next_us=0))

    def add_file(self, upstream: str, file_id: str, owner: str, content: dict[str, Models], now_us: int) -> None:
        """A file that was uploaded, and what a batch of it would ask for, by model."""
        values = {
            "upstream": upstream, "file_id": file_id, "owner": owner, "created_us": now_us,
            "content": msgspec.json.encode(content).decode(),
        }  # fmt: skip
        key = (PROVIDER_FILES.c.upstream == upstream, PROVIDER_FILES.c.file_id == file_id)
        with self._store.writing() as connection:
            connection.execute(delete(PROVIDER_FILES).where(*key))
            connection.execute(insert(PROVIDER_FILES).values(values))

    def file(self, upstream: str, file_id: str) -> dict[str, Models] | None:
        """What a batch of a file would ask for; None: it wasn't uploaded through Bursar, or is no batch's input."""
        key = (PROVIDER_FILES.c.upstream == upstream, PROVIDER_FILES.c.file_id == file_id)
        with self._store.reading() as connection:
            found = connection.execute(select(PROVIDER_FILES.c.content).where(*key)).scalar()
        return _MODELS.decode(found) or None if found else None

    def file_upstream(self, file_id: str) -> str:
        """Where a file was uploaded to, "" if not through Bursar."""
        query = select(PROVIDER_FILES.c.upstream).where(PROVIDER_FILES.c.file_id == file_id)
        with self._store.reading() as connection:
            return connection.execute(query).scalar() or ""

    def all(self) -> Sequence[Job]:
        """Every job, the newest first; for people and tests."""
        query = select(PROVIDER_JOBS).order_by(PROVIDER_JOBS.c.created_us.desc())
        with self._store.reading() as connection:
            return [_job(row) for row in connection.execute(query).all()]


def _post_difference(connection: Connection, detail: JobDetail, difference: int) -> None:
    for held in sorted(detail.held, key=msgspec.structs.astuple):
        key = BalanceKey(held.budget_id, held.value, held.account)
        lock_value(connection, key)
        here = about(key) | {"_window_key": held.window_key}
        balance = connection.execute(BALANCE, here).first()
        if balance is None:  # the window is long over and forgotten
            continue
        values = {"posted": balance.posted + difference, "overrun": balance.overrun + max(difference, 0)}
        connection.execute(set_balance(*values), here | values)


def _of(job_key: str) -> Update:
    return update(PROVIDER_JOBS).where(PROVIDER_JOBS.c.job_key == job_key)


def _text(detail: JobDetail) -> str:
    return msgspec.json.encode(detail).decode()


def _job(row: Row[tuple[object, ...]]) -> Job:
    values = dict(row._mapping)
    values.pop("cost_pico")
    return Job(**values | {"detail": _DETAIL.decode(values["detail"])})


_DETAIL = msgspec.json.Decoder(JobDetail)
_MODELS = msgspec.json.Decoder(dict[str, Models])

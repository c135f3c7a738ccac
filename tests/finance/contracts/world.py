"""A ledger, a book of contracts and a clock, for tests that rate: calls are journalled and loaded as real ones."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.ledger.records import call_facts, dispatched, settled

from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.money import PICO_PER_USD
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.book import ContractBook
from bursar.finance.contracts.rate import Day, Used, rate_day
from bursar.finance.contracts.rating import Ratings, rate_contracts
from bursar.finance.contracts.terms import Contract, Version, tier_name
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import Dispatched

DAY_US = 86_400_000_000
START = date(2026, 10, 28)
T0 = 1_793_145_600_000_000  # the midnight it begins with, UTC


class ContractWorld:
    """directory: of its own. store: may be shared, its contracts are forgotten."""

    def __init__(self, directory: Path, store: ControlStore | None = None) -> None:
        self.spool = directory / "spool"
        self.clock = FixedClock(T0 + DAY_US)
        self.ledger = open_ledger(directory / "ledger.duckdb", threads=1)
        self.journal = Journal(self.spool, "w0", sync=False)
        self.loader = Loader(self.ledger, self.spool, self.clock)
        self.attempts: list[Dispatched] = []
        self.store = store or ControlStore(directory / "control.sqlite")
        with self.store.writing() as connection:
            for table in ("contracts", "contract_versions", "contract_days"):
                connection.execute(text(f"DELETE FROM {table}"))
        self.book = ContractBook(self.store, b"s" * 32, self.clock)

    def close(self) -> None:
        self.journal.close()
        self.ledger.close()

    def call(self, usd: str, *, day: int = 0, hour: int = 0, model: str = "gpt-5", provider: str = "openai",
             **settling: Any) -> Dispatched:  # fmt: skip
        """One call of so many dollars, on a day after START, at an hour."""
        at_us = T0 + day * DAY_US + hour * 3_600_000_000 + len(self.attempts) * 1_000
        made = dispatched(len(self.attempts) + 1, call_facts(at_us, model_asked=model), provider=provider,
                          upstream=provider)  # fmt: skip
        pico = int(Decimal(usd) * PICO_PER_USD)
        own = {"list_pico": pico, "lines": [("request", 1, pico * 1_000)], "model_served": model} | settling
        self.attempts.append(made)
        self.journal.append(made)
        self.journal.append(settled(made, **own))
        self.loader.load_all()
        return made

    def rate(self) -> Ratings:
        done = Ratings()
        for one in rate_contracts(self.ledger, self.book, self.clock.now_us()).values():
            done = done.plus(one)
        return done

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.ledger.reading() as session:
            return session.query(sql).rows

    def costs(self) -> tuple[int, int, int, int]:
        """List, contracted, effective, billed: everything in the books, pico-USD."""
        names = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
        found = self.rows(f"SELECT {', '.join(f'coalesce(SUM({name}), 0)' for name in names)} FROM charges")[0]
        return tuple(int(usd * PICO_PER_USD) for usd in found)  # type: ignore[return-value]

    def broken(self) -> list[str]:
        return [finding.name for finding in verify(self.ledger, self.spool) if not finding.ok]

    def from_scratch(self) -> tuple[int, int, int, int]:
        """The same as `costs`, worked out at once from what stands now, another way than `rating` goes about it."""
        standing = self.rows(
            "SELECT attempt_id::VARCHAR, any_value(received_at), any_value(model), any_value(tier_served), "
            "SUM(list_cost), SUM(input_tokens + output_tokens)::BIGINT, any_value(provider) FROM charges "
            "WHERE entry <> 'adjustment' GROUP BY 1 ORDER BY 2, 1"
        )
        priced = [row for row in standing if row[4] is not None]
        whole = sum(int(row[4] * PICO_PER_USD) for row in priced)
        totals = [whole, whole, whole, whole]
        for contract in self.book.all():
            for place, more in enumerate(self._of_contract(contract, priced), 1):
                totals[place] += more
        return tuple(totals)  # type: ignore[return-value]

    def _of_contract(self, contract: Contract, standing: list[tuple[Any, ...]]) -> tuple[int, int, int]:
        now = datetime_from_us(self.clock.now_us()).replace(tzinfo=None)
        balances, totals = Balances(), [0, 0, 0]
        day = contract.since
        while day <= now.date():
            version = contract.on(day)
            if version is not None:
                charges = [_used(row) for row in standing if row[1].date() == day and row[6] == "openai"]
                hours = 24 if now.date() > day else now.hour
                found = rate_day(Day(day, hours, self._brought(contract, version, day, standing)),
                                 version.terms, charges, balances)  # fmt: skip
                for costs, list_pico in [
                    *((costs, one.list_pico) for costs, one in zip(found.charges, charges, strict=True)),
                    *((apart.costs, 0) for apart in found.apart),
                ]:
                    totals[0] += costs.contracted - list_pico
                    totals[1] += costs.effective - list_pico
                    totals[2] += costs.billed - list_pico
                balances = found.after
            day += timedelta(days=1)
        return totals[0], totals[1], totals[2]

    @staticmethod
    def _brought(contract: Contract, version: Version, day: date, standing: list[tuple[Any, ...]]) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in standing:
            at = row[1].date()
            terms, tier = version.terms, tier_name(row[3])
            reserved = any(
                one.start <= at and (one.end is None or at <= one.end) and one.covers(row[2], tier)
                for one in terms.capacities
            )
            volume = next((v for v in terms.volumes if v.covers(row[2], tier) and not reserved), None)
            same_month = (at.year, at.month) == (day.year, day.month)
            if volume is not None and same_month and contract.on(at) and row[6] == "openai":
                amount = int(row[4] * PICO_PER_USD) if volume.by == "list_cost" else row[5]
                found[volume.name] = found.get(volume.name, 0) + amount
        return found


def _used(row: tuple[Any, ...]) -> Used:
    return Used(row[0], row[1].hour, row[2], tier_name(row[3]), int(row[4] * PICO_PER_USD), row[5])

"""Cached contents in the books: their charges are exactly their life, whoever wrote what, whenever it was read."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts, dispatched, settled

from bursar.domain.clock import FixedClock
from bursar.domain.money import pico_from_femto, usd_from_pico
from bursar.domain.storage import HOUR_US, storage_lines, token_hours
from bursar.domain.usage import Usage
from bursar.ledger import posting
from bursar.ledger.cache_time import Fact, share_life
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.pricing import Price, Unpriced, price_unpriced
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import Dispatched, Settled

PRICE = 1_000_000_007  # femto-USD for a token-hour: sums of it need the rounding
DAY_US = 24 * HOUR_US
Pairs = list[tuple[Dispatched, Settled]]


def exact_pico(tokens: int, kept_us: int) -> int:
    """What storage costs, worked out another way: as a fraction, rounded once, half to even."""
    return round(Fraction(tokens * kept_us * PRICE, HOUR_US * 1000))


class Made(NamedTuple):
    """A cached content as the provider keeps it: what tests compare with."""

    name: str
    tokens: int
    pairs: Pairs
    ended_us: int
    deleted: bool


def row_of(
    name: str, operation: str, at_us: int, *, tokens: int = 0, kept_us: int = 0, until_us: int = 0, quality: str = "",
    **changes: Any,
) -> tuple[Dispatched, Settled]:  # fmt: skip
    of = dispatched(0, call_facts(at_us - 40_000, operation=operation, dialect="gemini-cache"), provider="google",
                    upstream="gemini", bound_pico=None)  # fmt: skip
    lines = storage_lines(tokens, kept_us, PRICE) if tokens else []
    own: dict[str, Any] = {
        "usage": Usage(cache_storage=token_hours(tokens, kept_us), kept_tokens=tokens, kept_us=kept_us),
        "lines": lines,
        "list_pico": pico_from_femto(sum(count * femto for _, count, femto in lines)),
        "quality": quality or ("estimated" if kept_us else "reported"),
        "upstream_id": name,
        "kept_from_us": at_us if until_us else 0,
        "kept_until_us": until_us or at_us,
        "ended_us": at_us,
    }
    return of, settled(of, **(own | changes))


def refused(operation: str, at_us: int) -> tuple[Dispatched, Settled]:
    """404: there is no such cached content (any more)."""
    return row_of(
        "", operation, at_us, outcome="client_error", http_status=404, kept_until_us=0, error_code="NOT_FOUND"
    )


def live(name: str, tokens: int, ttl_us: int, steps: list[tuple[int, str, int]], stale: list[int]) -> Made:
    """A cached content's life at its provider, and the rows that the gateway writes about it.

    steps: (after how many hundredths of what was left, what, lifetime).
    stale: what a worker knows of the end before a change: 0: the truth, 1: the first end only, 2: nothing.
    """
    now_us, first_us = T0, T0 + ttl_us
    pairs = [row_of(name, "create_cache", T0, tokens=tokens, kept_us=ttl_us, until_us=first_us)]
    until_us, gone = first_us, False
    for number, (hundredths, what, lifetime_us) in enumerate(steps):
        now_us = max(now_us + 1, now_us + (until_us - now_us) * hundredths // 100)
        if gone or now_us >= until_us:
            pairs.append(refused("delete_cache" if what == "delete" else "change_cache", now_us))
        elif what == "delete":
            pairs.append(row_of(name, "delete_cache", now_us))
            until_us, gone = now_us, True
        else:
            wanted_us = now_us + lifetime_us
            known_us = (until_us, first_us, now_us)[stale[number % len(stale)]]
            added_us = max(0, wanted_us - known_us)
            quality = "assumed" if known_us == now_us else ""
            pairs.append(
                row_of(
                    name,
                    "change_cache",
                    now_us,
                    tokens=tokens,
                    kept_us=added_us,
                    until_us=wanted_us,
                    quality=quality,
                )
            )
            until_us = wanted_us
    return Made(name, tokens, pairs, until_us, gone)


lives = st.builds(
    live,
    st.just("cachedContents/x"),
    st.integers(1, 2_000_000),
    st.integers(1, 5 * HOUR_US),
    st.lists(
        st.tuples(st.integers(0, 110), st.sampled_from(["patch", "patch", "delete"]), st.integers(1, 4 * HOUR_US)),
        max_size=7,
    ),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
)


def facts_of(made: Made) -> list[Fact]:
    return [
        Fact(
            end.kept_from_us,
            end.kept_until_us,
            of.attempt_id,
            of.call.call_id,
            of.call.operation,
            end.usage.kept_tokens,
        )
        for of, end in made.pairs
        if end.upstream_id
    ]


@settings(deadline=None)
@given(made=lives, order=st.randoms(use_true_random=False), later_us=st.integers(0, DAY_US))
def test_shares_are_the_whole_life_without_gap_or_overlap_in_any_order(
    made: Made, order: Random, later_us: int
) -> None:
    facts = facts_of(made)
    shares = share_life(facts, T0 + later_us)
    order.shuffle(facts)
    assert share_life(facts, T0 + later_us) == shares
    at_us = T0
    for share in shares:
        assert share.from_us <= share.until_us
        if share.from_us < share.until_us:
            assert share.from_us == at_us
            at_us = share.until_us
        assert share.is_final == (made.deleted or share.until_us <= T0 + later_us)
    assert at_us == made.ended_us


@settings(deadline=None)
@given(tokens=st.integers(1, 10**7), kept_us=st.integers(0, 30 * DAY_US), beside=st.integers(0, 10**15))
def test_lines_rounded_once_are_the_exact_price_rounded_once(tokens: int, kept_us: int, beside: int) -> None:
    lines = storage_lines(tokens, kept_us, PRICE, beside)
    exact = Fraction(tokens * kept_us * PRICE, HOUR_US) + beside
    assert pico_from_femto(beside + sum(count * femto for _, count, femto in lines)) == round(exact / 1000)


def ask(ledger: Ledger, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    with ledger.reading() as session:
        return session.query(sql, params).rows


def broken_laws(ledger: Ledger, spool: Path) -> list[object]:
    return [finding for finding in verify(ledger, spool) if not finding.ok]


class Books(NamedTuple):
    """One ledger for many lives: each has a name of its own."""

    place: Path
    ledger: Ledger


@pytest.fixture(scope="module")
def books() -> Iterator[Books]:
    with TemporaryDirectory() as made:
        ledger = open_ledger(Path(made) / "ledger.duckdb", threads=1)
        yield Books(Path(made), ledger)
        ledger.close()


class Killed(Exception):
    """The loader dies."""


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    made=lives,
    order=st.randoms(use_true_random=False),
    writers=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    loads=st.sets(st.integers(0, 7)),
    deaths=st.sets(st.integers(0, 7)),
)
def test_a_cache_costs_its_exact_life_however_it_is_loaded(
    books: Books, made: Made, order: Random, writers: list[int], loads: set[int], deaths: set[int]
) -> None:
    """loads: after which rows the loader runs; deaths: at which of them it dies before its transaction is durable."""
    ledger, name = books.ledger, f"cachedContents/{made.pairs[0][0].attempt_id}"
    pairs = list(made.pairs)
    order.shuffle(pairs)
    with TemporaryDirectory(dir=books.place) as place:
        spool = Path(place) / "spool"
        clock = FixedClock(T0)
        loader = Loader(ledger, spool, clock)
        mark = made.pairs[0][0].attempt_id
        journals = [Journal(spool, f"{mark}-{number}", sync=False) for number in range(3)]
        counts = [0, 0, 0]
        for number, (of, end) in enumerate(pairs):
            writer = writers[number]
            counts[writer] += 1
            journals[writer].append(msgspec.structs.replace(of, seq=counts[writer]))
            journals[writer].append(msgspec.structs.replace(end, upstream_id=name if end.upstream_id else ""))
            clock.at_us = max(clock.at_us, end.ended_us)
            if number in loads:
                loader = load(loader, dies=number in deaths)
        for journal in journals:
            journal.close()
        load(loader, dies=True)
        clock.at_us = made.ended_us + 20 * DAY_US
        Loader(ledger, spool, clock).load_all()
        mine = "attempt_id IN (SELECT unnest($ids)::UUID)"
        ids = [of.attempt_id for of, _ in made.pairs]
        entries = ask(ledger, f"SELECT count(*) FROM charges WHERE {mine}", ids=ids)
        Loader(ledger, spool, clock).load_all()
        assert ask(ledger, f"SELECT count(*) FROM charges WHERE {mine}", ids=ids) == entries
        cost, kept_us, attempts = ask(
            ledger, f"SELECT SUM(list_cost), SUM(kept_us), SUM(weight) FROM charges WHERE {mine}", ids=ids
        )[0]
        assert attempts == len(made.pairs)
        assert kept_us == made.ended_us - T0
        shares = share_life(facts_of(made), clock.at_us)
        assert cost == sum(
            (usd_from_pico(exact_pico(made.tokens, share.until_us - share.from_us)) for share in shares), Decimal(0)
        )
        assert abs(usd_from_pico(exact_pico(made.tokens, made.ended_us - T0)) - cost) <= usd_from_pico(len(shares))
        qualities = ask(ledger, f"SELECT DISTINCT quality FROM charges WHERE {mine} GROUP BY attempt_id, quality "
                        "HAVING SUM(weight) > 0", ids=ids)  # fmt: skip
        assert qualities == [("reported",)]
        assert ask(ledger, "SELECT count(*) FROM cache_ends") == [(0,)]


@pytest.mark.slow
def test_all_laws_hold_after_all_these_lives(books: Books) -> None:
    assert ask(books.ledger, "SELECT count(*) > 0 FROM charges WHERE entry = 'correction'") == [(True,)]
    assert broken_laws(books.ledger, books.place / "none") == []


def write(spool: Path, writer: str, pairs: Pairs) -> None:
    journal = Journal(spool, writer, sync=False)
    for number, (of, end) in enumerate(pairs, 1):
        journal.append(msgspec.structs.replace(of, seq=number))
        journal.append(end)
    journal.close()


def standing(ledger: Ledger, operation: str) -> tuple[Any, ...]:
    """Quality, cost, token-hours, microseconds and reason of what stands for the one attempt of this operation."""
    return ask(
        ledger,
        "SELECT quality, list_cost, cache_storage_token_hours, kept_us, reason FROM charges WHERE weight = 1 "
        "AND operation = $operation AND coalesce(entry_id, attempt_id) NOT IN ("
        "SELECT reverses FROM charges WHERE reverses IS NOT NULL)",
        operation=operation,
    )[0]  # fmt: skip


def test_a_deletion_seen_by_another_worker_gives_back_what_was_not_used(ledger: Ledger, spool: Path) -> None:
    clock = FixedClock(T0 + HOUR_US // 2)
    loader = Loader(ledger, spool, clock)
    made = row_of(
        "cachedContents/a", "create_cache", T0, tokens=100_000, kept_us=2 * HOUR_US, until_us=T0 + 2 * HOUR_US
    )
    gone = row_of("cachedContents/a", "delete_cache", T0 + HOUR_US // 2)
    write(spool, "w1", [gone])
    loader.load_all()
    assert standing(ledger, "delete_cache")[:2] == ("reported", 0)
    write(spool, "w0", [made])
    loader.load_all()
    cost = usd_from_pico(exact_pico(100_000, HOUR_US // 2))
    reason = f"deleted by call {gone[0].call.call_id}"
    assert standing(ledger, "create_cache") == ("reported", cost, 50_000, HOUR_US // 2, reason)
    assert ask(ledger, "SELECT call_id::VARCHAR, cost_pico, is_final FROM cache_news") == [
        (made[0].call.call_id, exact_pico(100_000, HOUR_US // 2), True)
    ]
    assert ask(ledger, "SELECT quality, list_cost FROM calls WHERE operation = 'create_cache'") == [("reported", cost)]
    assert broken_laws(ledger, spool) == []


def test_a_project_may_be_named_by_its_id_or_its_number(ledger: Ledger, spool: Path) -> None:
    made = row_of("projects/31/locations/l/cachedContents/7", "create_cache", T0, tokens=9, kept_us=HOUR_US,
                  until_us=T0 + HOUR_US)  # fmt: skip
    other = row_of("projects/31/locations/l/cachedContents/77", "create_cache", T0, tokens=9, kept_us=HOUR_US,
                   until_us=T0 + HOUR_US)  # fmt: skip
    gone = row_of("projects/shop/locations/l/cachedContents/7", "delete_cache", T0 + HOUR_US // 3)
    write(spool, "w0", [made, other, gone])
    Loader(ledger, spool, FixedClock(T0)).load_all()
    found = ask(ledger, "SELECT upstream_id, SUM(kept_us) FROM charges GROUP BY upstream_id ORDER BY ALL")
    assert [kept_us for _, kept_us in found] == [HOUR_US // 3, HOUR_US, 0]


def test_a_cache_that_ends_as_expected_becomes_sure_at_its_end(ledger: Ledger, spool: Path) -> None:
    clock = FixedClock(T0)
    made = row_of("cachedContents/a", "create_cache", T0, tokens=7, kept_us=HOUR_US, until_us=T0 + HOUR_US)
    write(spool, "w0", [made])
    Loader(ledger, spool, clock).load_all()
    assert standing(ledger, "create_cache")[0] == "estimated"
    loader = Loader(ledger, spool, clock)  # another process: it knows of the end from the books
    clock.at_us = T0 + HOUR_US - 1
    loader.load_all()
    assert standing(ledger, "create_cache")[0] == "estimated"
    clock.at_us += 1
    loader.load_all()
    assert standing(ledger, "create_cache") == (
        "reported", usd_from_pico(exact_pico(7, HOUR_US)), 7, HOUR_US, "kept until its expected end"
    )  # fmt: skip


def test_what_was_made_without_bursar_costs_nothing_when_it_is_deleted_and_its_most_when_it_is_prolonged(
    ledger: Ledger, spool: Path
) -> None:
    clock = FixedClock(T0)
    write(spool, "w0", [row_of("cachedContents/a", "delete_cache", T0)])
    more = row_of("cachedContents/b", "change_cache", T0, tokens=10, kept_us=HOUR_US, until_us=T0 + HOUR_US,
                  quality="assumed")  # fmt: skip
    write(spool, "w1", [more])
    Loader(ledger, spool, clock).load_all()
    clock.at_us = T0 + DAY_US
    Loader(ledger, spool, clock).load_all()
    assert standing(ledger, "delete_cache")[:2] == ("reported", 0)
    assert standing(ledger, "change_cache")[:2] == ("assumed", usd_from_pico(exact_pico(10, HOUR_US)))
    assert ask(ledger, "SELECT count(*) FROM charges") == [(2,)]


def test_an_unpriced_cache_is_shortened_first_and_priced_later(ledger: Ledger, spool: Path) -> None:
    clock = FixedClock(T0)
    made = row_of("cachedContents/a", "create_cache", T0, tokens=100_000, kept_us=2 * HOUR_US,
                  until_us=T0 + 2 * HOUR_US, lines=[], list_pico=None, quality="unpriced")  # fmt: skip
    write(spool, "w0", [made, row_of("cachedContents/a", "delete_cache", T0 + HOUR_US)])
    Loader(ledger, spool, clock).load_all()
    assert standing(ledger, "create_cache")[:4] == ("unpriced", None, 100_000, HOUR_US)

    def price(charge: Unpriced) -> Price:
        assert charge.usage == Usage(cache_storage=100_000, kept_tokens=100_000, kept_us=HOUR_US)
        return Price(storage_lines(100_000, HOUR_US, PRICE), exact_pico(100_000, HOUR_US), "google/m", "p1")

    price_unpriced(ledger, price, T0 + DAY_US)
    cost = usd_from_pico(exact_pico(100_000, HOUR_US))
    assert standing(ledger, "create_cache") == ("reported", cost, 100_000, HOUR_US, "priced later at p1")
    assert broken_laws(ledger, spool) == []


def load(loader: Loader, *, dies: bool) -> Loader:
    """Load what is there; a loader that dies just before the end of its transaction is followed by another one."""
    if dies:
        whole = posting.note_segments

        def kill(*_: object) -> None:
            raise Killed

        posting.note_segments = kill  # type: ignore[assignment]  # only here
        try:
            loader.load_all()
        except Killed:
            loader = Loader(loader.ledger, loader.spool_dir, loader._clock)
        finally:
            posting.note_segments = whole
    loader.load_all()
    return loader

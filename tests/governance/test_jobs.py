"""Jobs on both control stores: whatever reads, crashes and races there are, a budget is posted their cost once."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.postgres import postgresql

from bursar.budgets.tables import BUDGET_BALANCES
from bursar.domain.jobs import CACHE, Held, Job, JobDetail, Models, cache_name, owner_of
from bursar.governance.jobs import CLAIM_US, FORGET_US, JobBook, Recosted
from bursar.governance.store import ControlStore

PARTS = {"output": 700, "errors": 0}
BOUND = 5_000


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlStore]:
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("jobs") / "control.sqlite"
        yield ControlStore(path)
        return
    with postgresql() as address:
        yield ControlStore(address)


def begin(store: ControlStore, number: int) -> tuple[JobBook, str]:
    """A job whose bound is posted to a balance of its own."""
    book, key, budget_id = JobBook(store), f"018bcfe5-6800-7abc-8def-{number:011x}0", f"bg_{number}"
    with store.writing() as connection:
        connection.execute(
            insert(BUDGET_BALANCES).values(
                budget_id=budget_id, value="", account="", window_key="w", start_us=0, end_us=9, posted=BOUND,
                leased=0, assumed=0, overrun=0, recall=False,
            )
        )  # fmt: skip
    detail = JobDetail(key[:-1] + "1", "openai", posted_pico=BOUND, held=[Held(budget_id, "", "", "w", BOUND)])
    book.begin(Job(key, "openai-batch", "openai", "virtual a/b/c", "{}", detail, number, 1, upstream_id=f"b{number}"))
    return book, key


def posted(store: ControlStore, number: int) -> tuple[int, int]:
    columns = BUDGET_BALANCES.c
    with store.reading() as connection:
        row = connection.execute(
            select(columns.posted, columns.overrun).where(columns.budget_id == f"bg_{number}")
        ).one()
    return row.posted, row.overrun


@pytest.mark.parametrize("seed", range(8))
def test_readers_in_any_order_and_at_once_post_the_cost_once(store: ControlStore, seed: int) -> None:
    book, key = begin(store, seed)
    chance = random.Random(seed)
    reads = [(part, chance.random() < 0.3) for part in chance.choices(list(PARTS), k=6)] + [("output", False)]
    settled: list[bool] = []

    def read(part: str, dies: bool) -> None:
        if not dies:  # else it dies between the journal and its note, and another one reads it again
            done = JobBook(store).read(
                key, part, PARTS[part], is_unpriced=False, is_all=part == "output", now_us=chance.randrange(1, 99)
            )
            settled.append(done)

    threads = [threading.Thread(target=read, args=one) for one in reads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settled.count(True) == 1
    assert posted(store, seed) == (PARTS["output"], 0)
    job = book.job(key)
    assert job is not None
    assert (job.is_open, job.detail.cost_pico) == (False, 700)


def test_a_bill_above_the_bound_is_an_overrun_and_an_unpriced_line_keeps_the_bound(store: ControlStore) -> None:
    book, dear = begin(store, 100)
    assert book.read(dear, "output", BOUND + 7, is_unpriced=False, is_all=True, now_us=1)
    assert posted(store, 100) == (BOUND + 7, 7)
    book, dark = begin(store, 101)
    assert book.read(dark, "output", 3, is_unpriced=True, is_all=True, now_us=1)
    assert posted(store, 101) == (BOUND, 0)
    book, gone = begin(store, 102)
    book.close(gone, "gone", 1)
    assert not book.read(gone, "output", 3, is_unpriced=False, is_all=True, now_us=2)
    assert posted(store, 102) == (BOUND, 0)


def test_a_job_is_claimed_by_one_and_left_to_another_when_that_one_dies(store: ControlStore) -> None:
    book, key = begin(store, 200)
    first = [job.job_key for job in book.claim(10, 100)]
    assert key in first
    assert key not in [job.job_key for job in book.claim(10, 100)]
    assert key in [job.job_key for job in book.claim(10 + CLAIM_US, 100)]
    book.ask_again(key, 0)
    assert key not in [job.job_key for job in book.claim(10**15, 100)]


def test_what_is_known_of_whose_things_are(store: ControlStore) -> None:
    book, key = begin(store, 300)
    book.saw(key, "b300", "completed", "file-out", "file-err", 0)
    book.add_file("openai", "file-in", "pt_1", {"m": Models(2, 10)}, 5)
    assert book.owners(["b300", "file-out", "file-err", "file-in", "file-none"]) == {
        **dict.fromkeys(("b300", "file-out", "file-err"), "virtual a/b/c"),
        "file-in": "pt_1",
    }
    found = book.find("file-err")
    assert found is not None
    assert found.job_key == key
    assert book.file("openai", "file-in") == {"m": Models(2, 10)}
    assert book.file("azure", "file-in") is None
    assert owner_of("virtual", "vk_1", ("a", "b", "c")) == "virtual a/b/c"
    assert owner_of("passthrough", "pt_1", ("a", "", "")) == "pt_1"


@pytest.mark.parametrize("seed", range(3_000, 3_008))
def test_what_cached_contents_cost_now_is_posted_once_however_often_it_is_told(store: ControlStore, seed: int) -> None:
    """As after a console that died between telling the budgets and forgetting the news."""
    book, key = begin(store, seed)
    chance = random.Random(seed)
    costs = [chance.choice([None, 0, 1_200, BOUND, 7_000]) for _ in range(4)]
    stands, over = BOUND, 0
    for cost in costs:
        news = [Recosted(key, key[:-1] + "1", cost, False)]
        for _ in range(chance.randint(1, 3)):
            assert book.recost(news, 0) == {key[:-1] + "1"}
        if cost is not None:  # an unpriced one: what stands for it stays
            over, stands = over + max(0, cost - stands), cost
        assert posted(store, seed) == (stands, over)
    assert book.recost([Recosted(key, "another attempt", 1, False), Recosted("nobody", "x", 1, True)], 0) == set()
    assert posted(store, seed) == (stands, over)


def test_the_newest_row_of_a_cached_content_is_what_is_known_of_it_until_it_is_long_gone(store: ControlStore) -> None:
    book = JobBook(store)
    name = cache_name("google", "cachedContents/n")
    for number, until_us in ((1, 50), (3, 20), (2, 90)):
        detail = JobDetail(f"a{number}", "google", model="m", tokens=7, until_us=until_us)
        book.begin(Job(f"cache-{number}", CACHE, "gemini", "o", "{}", detail, number, upstream_id=name))
    found = book.newest(CACHE, name)
    assert found is not None
    assert (found.detail.until_us, found.detail.tokens) == (20, 7)
    assert book.newest(CACHE, cache_name("google", "cachedContents/other")) is None
    book.recost([Recosted(f"cache-{number}", f"a{number}", 0, True) for number in (1, 2, 3)], 1_000)
    assert book.newest(CACHE, name) is not None
    book.recost([], 1_000 + FORGET_US + 1)
    assert book.newest(CACHE, name) is None

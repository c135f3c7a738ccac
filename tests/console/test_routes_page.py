"""Routes on the console: each figure is the sum of its calls, and shadows are never among those of clients."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context
from tests.ledger.records import call_facts, dispatched, settled, unpriced

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.domain.caching import NO_UPSTREAM
from bursar.domain.clock import us_from_datetime
from bursar.domain.routes import CANDIDATE, CONTROL, SHADOW, Candidate, Experiment, Receipt, RouteRule, Shadow, Target
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.spool.journal import Journal
from bursar.spool.records import Compared

NAME = "chat, day & night"
TRIAL = Experiment("mini", Target("openai", "gpt-4o-mini"), 20.0)
RULE = RouteRule(
    name=NAME,
    match={"feature": "checkout"},
    targets=(Target("openai"), Target("gemini", "gpt-4o", 3)),
    strategy="weighted",
    hedge_after_ms=800,
    experiment=TRIAL,
    shadow=Shadow("claude", Target("anthropic", "claude-haiku-4-5"), 10.0),
)
NOW_US = us_from_datetime(NOW)
CALLS = 40
PAGE = "/routes/chat%2C%20day%20%26%20night"


def receipt(arm: str, name: str, shadow_of: str = "") -> str:
    return msgspec.json.encode(
        Receipt(NAME, "weighted", [Candidate("openai", "gpt-5")], None, name, arm, shadow_of=shadow_of)
    ).decode()


def write_calls(spool: Path) -> None:
    """40 calls within a day, a tenth in the trial, each fourth with a shadow: one of ten failed, one isn't priced."""
    journal, seq = Journal(spool, "routed", sync=False), 0
    for number in range(CALLS):
        call = call_facts(NOW_US - (CALLS - number) * 60_000_000)
        seq += 1
        arm = CANDIDATE if number % 10 == 0 else CONTROL
        model = "gpt-4o-mini" if arm == CANDIDATE else "gpt-5"
        sent = dispatched(seq, call, routing=receipt(arm, "mini"), model_sent=model)
        failed = {"outcome": "provider_error", "call_outcome": "provider_error"} if number == 5 else {}
        for record in (sent, settled(sent, **failed)):  # type: ignore[arg-type]
            journal.append(record)
        if number % 4:
            continue
        seq += 1
        shadow = call_facts(call.received_us + 1_000_000, traffic="shadow", fingerprint="")
        place = {"upstream": "anthropic", "provider": "anthropic", "model_sent": "claude-haiku-4-5"}
        tried = dispatched(seq, shadow, routing=receipt(SHADOW, "claude", call.call_id), **place)
        bad = {"outcome": "provider_error", "call_outcome": "provider_error"} if number == 8 else {}
        journal.append(tried)
        journal.append(unpriced(tried) if number == 12 else settled(tried, output=40, **bad))  # type: ignore[arg-type]
        if number == 8:
            continue
        found = Compared(shadow.received_us, shadow.call_id, call.call_id, True, None, None, None, False, 0.5, 0.5)
        journal.append(found)
        journal.append(found)  # nothing writes it twice; were it so, it would count once
    outside = dispatched(seq + 1, call_facts(NOW_US - 60_000_000))
    journal.append(outside)
    journal.append(settled(outside))
    journal.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[ConsoleContext]:
    context = make_context(tmp_path_factory.mktemp("routed"), book, history=False)
    write_calls(context.spool_dir)
    Loader(context.ledger, context.spool_dir, context.clock).load_all()
    context.run_dir.mkdir(exist_ok=True)
    rows = [
        [["bursar_upstream_resting", "upstream=gemini"], 1],
        [["bursar_upstream_resting", "upstream=openai"], 0],
        [["bursar_shadows_dropped_total", f"route={NAME}", "reason=full"], 7],
        [["bursar_shadows_dropped_total", "route=another", "reason=full"], 9],
    ]
    for slot in range(2):
        (context.run_dir / f"metrics-{slot}.json").write_bytes(msgspec.json.encode(rows))
    context.controls().routes.set(RULE, actor="test")
    yield context
    context.ledger.close()


@pytest.fixture(scope="module")
def client(context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client


def test_a_route_is_told_with_its_share_its_ways_and_what_is_tried_on_it(client: TestClient) -> None:
    told = client.get("/routes.json").json()
    (one,) = told["routes"]
    assert (told["calls"], one["calls"], one["attempts"], one["errors"]) == (CALLS + 1, CALLS, CALLS, 1)
    assert one["share"] == pytest.approx(CALLS / (CALLS + 1))
    assert [(way["upstream"], way["role"], way["calls"], way["resting"]) for way in one["ways"]] == [
        ("openai", "way", CALLS * 9 // 10, 0),
        ("gemini", "way", 0, 2),
        ("openai", "candidate", CALLS // 10, 0),
        ("anthropic", "shadow", 0, None),
    ]
    assert one["experiment"]["candidate_calls"] == CALLS // 10
    assert client.get(f"{PAGE}.json").json() == one


def test_a_figure_of_a_route_is_the_sum_of_the_calls_that_it_opens(client: TestClient, context: ConsoleContext) -> None:
    page = client.get("/routes").text
    at = page.rindex("/calls?period=")
    href = page[at : page.index('"', at)].replace("&amp;", "&")
    calls = client.get(href.replace("/calls?", "/calls.json?") + "&limit=100").json()["calls"]
    (one,) = client.get("/routes.json").json()["routes"]
    assert len(calls) == one["calls"] == CALLS
    assert sum(Decimal(call["effective_cost"]) for call in calls) == Decimal(one["cost"])
    assert {call["traffic"] for call in calls} == {"live"}


def test_a_shadow_is_told_by_pair_with_cost_against_cost_and_agreement(client: TestClient) -> None:
    (told,) = client.get("/api/shadows").json()
    assert (told["route"], told["candidate"], told["percent"]) == (NAME, "anthropic/claude-haiku-4-5", 10.0)
    assert told["dropped"] == {"full": 14}
    pair, other = told["pairs"]
    assert other["shown"] == "openai/gpt-4o-mini"
    assert (pair["shown"], pair["candidate"]) == ("openai/gpt-5", "anthropic/claude-haiku-4-5")
    assert (pair["shadows"], pair["errors"], pair["priced"], pair["unpriced"]) == (8, 1, 7, 1)
    assert (pair["compared"], pair["agreement"], pair["text"], pair["json"]) == (7, 0.5, 0.0, None)
    shown, tried = Decimal(pair["shown_cost"]), Decimal(pair["shadow_cost"])
    assert 0 < shown < tried == Decimal(pair["cost"])


def test_the_pages_say_it_and_a_route_that_is_not_there_is_not_found(client: TestClient) -> None:
    page = client.get("/routes").text
    for words in ("chat, day &amp; night", "hedged after 800 ms", "shadow claude: 50% agreement", "x-bursar-mode"):
        assert words in page
    page = client.get(PAGE).text
    for words in ("resting, 2 workers", "not told apart", "ever called different is 5 %", "14 full", "words in common"):
        assert words in page
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PAGE}.csv").text)))
    assert [row["role"] for row in rows] == ["way", "way", "candidate", "shadow"]
    assert client.get("/routes/nobody").status_code == 404


def test_a_shadow_is_marked_as_one_in_the_list_of_calls_and_on_its_page(client: TestClient) -> None:
    mark = "nobody was shown its answer"
    assert mark not in client.get("/calls?filter=traffic%3Dlive&period=7d").text
    assert client.get("/calls?filter=traffic%3Dshadow&period=7d&limit=50").text.count(mark) == 10
    (call, *_) = client.get("/calls.json?filter=traffic%3Dshadow&period=7d").json()["calls"]
    page = client.get(f"/calls/{call['call_id']}").text
    assert mark in page
    assert "shadow &#39;claude&#39; of the call" in page


def test_costs_are_told_apart_by_who_was_shown_the_answer(client: TestClient) -> None:
    rows = client.get("/api/costs?by=traffic&period=7d").json()["rows"]
    assert {row["keys"][0]: (row["calls"], row["saved_cost"]) for row in rows} == {
        "live": (CALLS + 1, "0"),
        "shadow": (10, "0"),
    }


def test_the_median_time_is_that_of_upstreams_and_not_of_kept_answers(tmp_path: Path, book: PriceBook) -> None:
    context = make_context(tmp_path, book, history=False)
    journal = Journal(context.spool_dir, "kept", sync=False)
    for seq in range(1, 10):  # two of three are hits, which take a thousandth of the time
        sent = dispatched(
            seq, call_facts(NOW_US - seq * 60_000_000), routing=receipt("", ""), model_sent="gpt-5",
            upstream=NO_UPSTREAM if seq % 3 else "openai",
        )  # fmt: skip
        journal.append(sent)
        took_us = 1_000 if seq % 3 else 1_500_000
        journal.append(settled(sent, first_byte_us=sent.dispatched_us, ended_us=sent.dispatched_us + took_us))
    journal.close()
    Loader(context.ledger, context.spool_dir, context.clock).load_all()
    context.controls().routes.set(RULE, actor="test")
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        (one,) = client.get("/routes.json").json()["routes"]
    assert (one["calls"], one["ms_p50"]) == (9, 1_500)
    assert {way["upstream"]: way["ms_p50"] for way in one["ways"]}[NO_UPSTREAM] is None
    context.ledger.close()


def test_an_empty_page_says_how_a_route_is_made(tmp_path: Path, book: PriceBook) -> None:
    context = make_context(tmp_path, book, history=False)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        assert "routes set checkout" in client.get("/routes").text
    context.ledger.close()

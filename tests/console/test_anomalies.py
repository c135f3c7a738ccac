"""Anomalies over the API, what is done about them, and the thread that watches."""

import functools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient
from tests.governance.test_findings import T0, finding
from tests.watch.conftest import BAD, UNTIL, write_calls
from tests.watch.test_run import FIRST, MINUTE_US, Scripted, seen

from bursar.alerts import rules
from bursar.alerts.rules import Rule
from bursar.config import load_config
from bursar.console.anomalies import open_anomalies
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.watching import Watching, anomalies_to_tell
from bursar.domain.clock import FixedClock
from bursar.domain.findings import Cause, Factor, Finding, Part, PerCall
from bursar.domain.watching import Label, SeriesKey
from bursar.explore.query import Explorer
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.site import Site
from bursar.watch.offers import offers

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    directory = tmp_path_factory.mktemp("anomalies")
    write_calls(directory, UNTIL)
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, directory / "spool", FixedClock(UNTIL)).load_all()
    yield ledger
    ledger.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    config = load_config(overrides={"data": str(tmp_path / "data")}, env={})
    return Site(config, FixedClock(UNTIL))


@pytest.fixture
def context(site: Site, ledger: Ledger) -> ConsoleContext:
    site.prepare()
    return ConsoleContext(
        explorer=Explorer(ledger),
        ledger=ledger,
        prices=dict,
        config=site.config,
        spool_dir=site.paths.spool,
        budgets=functools.cache(site.budgets),
        publish_budgets=site.publish_budgets,
        clock=site.clock,
        open_controls=site.controls,
        open_anomalies=functools.partial(open_anomalies, site),
        alerts=functools.cache(site.alerts),
    )


@pytest.fixture
def client(context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client


def swapped(number: int = 1, **changes: object) -> Finding:
    """Search asks a dearer model, and more often: 60 calls an hour were usual."""
    cause = Cause(
        (Part(Factor.MODELS, 8 * 10**12), Part(Factor.CALLS, 10**12)),
        before=PerCall(60.0, 6e4, 0.0, 6e3, 10**12, (("gpt-5-mini", 60.0),)),
        after=PerCall(90.0, 9e4, 0.0, 9e3, 10**13, (("gpt-5", 90.0),)),
    )
    return finding(number, expected_pico=10**12, actual_pico=10**13, cause=cause, **changes)


def test_the_list_is_by_money_and_says_how_often_detectors_were_right(context: ConsoleContext, client: TestClient):
    book = context.anomalies().findings
    for number, changes in ((1, {}), (2, {"began_us": T0 - 9 * HOUR_US}), (3, {"ended_us": T0})):
        book.add(swapped(number, found_us=UNTIL + number, **changes))
    told = client.get("/api/anomalies").json()
    assert [one["id"][-1] for one in told["anomalies"]] == ["1", "2", "3"]
    assert [one["excess_per_hour"] for one in told["anomalies"]] == ["9", "1", "9"]
    assert told["open_count"] == 2
    total = sum(Decimal(one["per_month"]) for one in told["anomalies"])
    assert Decimal(told["per_month"]) == total
    assert client.put("/api/anomalies/0003/label", json={"label": "false"}).json()["label"] == "false"
    told = client.get("/api/anomalies?open=true").json()
    assert len(told["anomalies"]) == 2
    assert told["precision"] == [
        {"signal": "cost", "true": 0, "false": 1, "expected": 0, "precision": 0.0, "threshold_shift": 0.301}
    ]
    rows = client.get("/api/anomalies?format=csv").text.splitlines()
    assert rows[0].startswith("id,status,title,dimension,value,signals")
    assert len(rows) == 4


def test_one_says_why_and_adds_up(context: ConsoleContext, client: TestClient):
    context.anomalies().findings.add(swapped())
    told = client.get("/api/anomalies/0001").json()
    assert told["excess"] == "9"
    assert sum(Decimal(part["amount"]) for part in told["parts"]) == 9
    assert told["parts"][0] == {"factor": "models", "words": "dearer models", "amount": "8", "share": 0.8889}
    assert told["before"]["cost_per_call"] == "0.016666666667"
    assert told["why"] == "dearer models, more calls"
    assert [one["name"] for one in told["offers"]] == ["throttle", "cheaper", "approve"]
    steps = client.get("/api/anomalies/0001/pace").json()
    assert set(steps[0]) == {"start", "end", "expected", "actual", "low", "high", "is_inside"}
    assert client.get("/api/anomalies/zzz").json()["code"] == "unknown_anomaly"
    assert client.put("/api/anomalies/0001/label", json={"label": "perhaps"}).json()["code"] == "bad_control"


def test_another_model_is_offered_only_where_dearer_ones_are_a_good_part_of_why():
    made = swapped()
    parts = (Part(Factor.CALLS, 85 * 10**11), Part(Factor.MODELS, 5 * 10**11))  # a twentieth of nine dollars
    little = msgspec.structs.replace(made, cause=msgspec.structs.replace(made.cause, parts=parts))
    assert [one.name for one in offers(made)] == ["throttle", "cheaper", "approve"]
    assert [one.name for one in offers(little)] == ["throttle", "approve"]


def test_offers_become_a_limit_a_policy_and_a_budget_once(context: ConsoleContext, client: TestClient):
    context.anomalies().findings.add(swapped())
    drafted = client.post("/api/anomalies/0001/apply", json={"offer": "cheaper"}).json()
    (policy,) = context.controls().policies.all()
    assert (policy.is_on, policy.terms.force_models) == (False, {"*": "gpt-5-mini"})
    assert policy.terms.match == {"feature": "search", "model": "gpt-5"}
    assert drafted["deeds"][0]["state"] == "draft"
    for offer in ("cheaper", "throttle", "approve"):
        assert client.post("/api/anomalies/0001/apply", json={"offer": offer, "on": True}).status_code == 200
    assert context.controls().policies.one(policy.policy_id).is_on
    (limit,) = context.controls().limits.all()
    assert (limit.terms.match, limit.terms.requests_per_minute) == ({"feature": "search"}, 2)
    (budget,) = context.budget_store().all()
    assert budget.limit.limit_pico == 45 * 10**12  # $24 a usual day, half as much again is 80 % of it
    assert [(one.percent, one.action) for one in budget.thresholds] == [(80, "approve"), (100, "alert")]
    again = client.post("/api/anomalies/0001/apply", json={"offer": "throttle", "on": True})
    assert again.json()["code"] == "name_taken"
    assert client.post("/api/anomalies/0001/apply", json={"offer": "pray"}).json()["code"] == "bad_control"
    states = [deed["state"] for deed in client.get("/api/anomalies/0001").json()["deeds"]]
    assert states == ["draft", "applied", "applied", "applied"]


def test_what_costs_less_is_offered_nothing(context: ConsoleContext, client: TestClient):
    context.anomalies().findings.add(finding(actual_pico=0))
    assert client.get("/api/anomalies/0001").json()["offers"] == []


def test_markers_are_told_and_listed_with_changes_of_settings(client: TestClient):
    made = client.post("/api/markers", json={"title": "search 4.2", "scope": {"feature": "search"}})
    assert made.status_code == 201
    assert client.post("/api/markers", json={"title": ""}).json()["code"] == "bad_marker"
    unknown = client.post("/api/markers", json={"title": "x", "scope": {"nope": "y"}}).json()
    assert unknown["field"] == "scope"
    assert unknown["detail"].startswith("scope: there is no dimension 'nope'")
    two = {"title": "x", "scope": {"feature": "a", "team": "b"}}
    assert client.post("/api/markers", json=two).json()["field"] == "scope"
    (told,) = client.get("/api/markers?period=7d").json()
    assert told["scope"] == {"dimension": "feature", "value": "search"}
    assert told == made.json()


def watching_of(
    site: Site, ledger: Ledger, context: ConsoleContext, detectors: Scripted, which: list[Rule]
) -> Watching:
    loader = Loader(ledger, site.paths.spool, site.clock)
    loader.load_once()
    return Watching(
        site, ledger, detectors, loaded=loader.status, books=context.anomalies, rules=lambda: which,
        acting=context.acting,
    )  # fmt: skip


def test_the_thread_finds_keeps_and_does_what_a_rule_says_once(site: Site, ledger: Ledger, context: ConsoleContext):
    clock = site.clock
    assert isinstance(clock, FixedClock)
    clock.at_us = FIRST + 2 * MINUTE_US
    which = [
        Rule("brake", rules.Anomaly(excess_usd_per_day=Decimal("0.01"), action="throttle", automatic=True)),
        Rule("draft", rules.Anomaly(excess_usd_per_day=Decimal("0.01"), action="cheaper")),
        Rule("large", rules.Anomaly(excess_usd_per_day=Decimal(10**6), action="approve", automatic=True)),
    ]
    watching = watching_of(site, ledger, context, Scripted({FIRST: [seen(FIRST)]}), which)
    try:
        (new,) = watching.look()
        assert new.series == SeriesKey("feature", "search")
        clock.at_us = BAD + HOUR_US
        watching.look()
        (kept,) = context.anomalies().findings.all()
        states = {deed.by: (deed.offer, deed.state) for deed in kept.deeds}
        assert states == {"rule brake": ("throttle", "applied"), "rule draft": ("cheaper", "draft")}
        (limit,) = context.controls().limits.all()
        assert limit.created_by == "rule brake"
        assert context.controls().policies.all()[0].is_on is False
        assert anomalies_to_tell(context.anomalies(), clock.now_us()) == [kept]
    finally:
        watching.close()
    assert {path.name for path in site.paths.watch.iterdir()} == {"lock", "watch.json", "stream.bin"}


def test_what_can_t_be_done_is_written_down_and_not_tried_again(site: Site, ledger: Ledger, context: ConsoleContext):
    clock = site.clock
    assert isinstance(clock, FixedClock)
    clock.at_us = FIRST + 2 * MINUTE_US
    context.anomalies().findings.add(finding(found_us=clock.at_us, cause=Cause()))  # nothing is known: no offers
    which = [Rule("brake", rules.Anomaly(action="throttle", automatic=True))]
    watching = watching_of(site, ledger, context, Scripted({}), which)
    try:
        watching._act()
        watching._act()
    finally:
        watching.close()
    (kept,) = context.anomalies().findings.all()
    assert [(deed.state, "isn't offered" in deed.detail) for deed in kept.deeds] == [("failed", True)]


def test_labels_move_what_is_told(site: Site, ledger: Ledger, context: ConsoleContext):
    book = context.anomalies().findings
    for number in range(9):
        book.add(finding(number, ended_us=UNTIL))
        book.label(f"an_{number:012d}", Label.FALSE, actor="ada")
    clock = site.clock
    assert isinstance(clock, FixedClock)
    clock.at_us = FIRST + 2 * MINUTE_US
    unsure = msgspec.structs.replace(seen(FIRST), surprise=0.9)
    watching = watching_of(site, ledger, context, Scripted({FIRST: [unsure]}), [])
    try:
        assert watching.look() == []
    finally:
        watching.close()

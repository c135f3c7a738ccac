"""Routes over the API, and the past through a table: sums are those of the books, unknown is never zero."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.domain.snapshot import read_snapshot

PERIOD = "2026-11-01..2026-11-22"
TO_MINI = {
    "name": "mini",
    "match": {"model": "gpt-*", "operation": "chat"},
    "targets": [{"upstream": "openai", "model": "gpt-4o-mini"}],
}


@pytest.fixture
def desk(context: ConsoleContext) -> Iterator[TestClient]:
    """A client over a desk that has no routes before and after."""
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client
        for one in client.get("/api/routes").json():
            assert client.delete(f"/api/routes/{one['route_id']}").status_code == 200


def replayed(client: TestClient, *routes: dict[str, Any]) -> dict[str, Any]:
    answer = client.get("/api/route-replay", params={"period": PERIOD, "routes": json.dumps(routes)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_route_is_made_changed_switched_and_removed(desk: TestClient, context: ConsoleContext):
    made = desk.post("/api/routes", json={"route": TO_MINI})
    assert made.status_code == 201, made.text
    desk.post("/api/routes", json={"route": TO_MINI | {"strategy": "weighted"}})
    (one,) = desk.get("/api/routes").json()
    assert (one["route_id"], one["route"]["strategy"]) == (made.json()["route_id"], "weighted")
    snapshot = context.config.data_path / "snapshot.msgpack"
    assert [rule.strategy for rule in read_snapshot(snapshot).routes] == ["weighted"]
    assert desk.post("/api/routes/mini/switch", json={"is_on": False}).json()["is_on"] is False
    assert read_snapshot(snapshot).routes == []
    (row,) = csv.DictReader(io.StringIO(desk.get("/api/routes?format=csv").text))
    assert row["name"] == "mini"
    assert desk.delete("/api/routes/mini").status_code == 200
    assert desk.delete("/api/routes/mini").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [({"targets": []}, "targets"), ({"targets": [{"upstream": "nowhere"}]}, "targets.0.upstream"),
     ({"match": {"moon": "x"}}, "match"), ({"match": {"feature": ""}}, "match.feature"), ({"name": " "}, "name")],
)  # fmt: skip
def test_a_mistake_names_its_field(desk: TestClient, change: dict[str, Any], field: str):
    answer = desk.post("/api/routes", json={"route": TO_MINI | change})
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


def test_replay_says_how_many_go_elsewhere_and_what_they_cost_there(desk: TestClient, context: ConsoleContext):
    told = replayed(desk, TO_MINI)
    moved = told["moved"]
    assert 0 < moved["calls"] < told["total"]["calls"]
    assert told["left_out"] == 0
    known = [row for row in told["rows"] if not row["unknown_calls"]]
    assert known
    assert sum(row["calls"] for row in told["rows"]) == moved["calls"]
    assert sum(Decimal(row["cost_now"]) for row in told["rows"]) == Decimal(moved["cost_now"])
    assert Decimal(moved["cost_now"]) < Decimal(moved["cost_then"])  # the history's models are dearer
    change = Decimal(moved["cost_now"]) - Decimal(moved["cost_then"])
    assert Decimal(told["total"]["cost_now"]) - Decimal(told["total"]["cost_then"]) == change
    with context.ledger.reading() as session:
        sent = session.query("SELECT count(*) FROM calls WHERE attempts > 0 AND received_at >= '2026-11-01' "
                             "AND received_at < '2026-11-23'").only()  # fmt: skip
    assert told["total"]["calls"] + sum(told["refused"].values()) == sent
    rows = list(
        csv.DictReader(
            io.StringIO(
                desk.get(
                    "/api/route-replay", params={"period": PERIOD, "routes": json.dumps([TO_MINI]), "format": "csv"}
                ).text
            )
        )
    )
    assert len(rows) == len(told["rows"])


def test_where_no_price_is_known_the_calls_are_counted_and_in_no_sum(desk: TestClient):
    told = replayed(desk, TO_MINI | {"targets": [{"upstream": "openai", "model": "made-up-1"}]})
    moved = told["moved"]
    billed = [row for row in told["rows"] if row["unknown_calls"]]
    assert billed
    assert moved["unknown_calls"] > 0
    assert Decimal(moved["cost_now"]) == 0
    assert Decimal(moved["cost_then"]) == 0  # what was free because it failed


def test_a_table_that_cannot_be_is_refused(desk: TestClient):
    for text in ("[", json.dumps([{"name": "x"}]), json.dumps([TO_MINI | {"strategy": "best"}])):
        answer = desk.get("/api/route-replay", params={"routes": text})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_control")

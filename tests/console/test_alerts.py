"""The page Alerts and its API: what is open, forms that change something, and who may send them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient
from tests.alerts.conftest import T0, Hook, World

from bursar.alerts.facts import LoopCut
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.governance.alerts import Channel

HERE = {"sec-fetch-site": "same-origin"}
TOKEN = "the-token-of-these-pages"
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def console(context: ConsoleContext, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(context, "alerts", lambda: world.desk)
    monkeypatch.setattr(context, "csrf", TOKEN)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        client.follow_redirects = False
        yield client


def raise_one(world: World, text: str = "billing-sync sent one request 40 times.") -> str:
    world.told.the_loops = [*world.told.the_loops, LoopCut(text, T0, text)]
    (alert,) = world.watch.look()
    return alert.alert_id


def test_an_open_alert_is_on_its_page_and_counted_beside_every_page(console: TestClient, world: World):
    assert "Nothing waits" in console.get("/alerts").text
    raise_one(world, HOSTILE)
    page = console.get("/alerts").text
    assert "A loop was cut" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert 'title="1 open alerts">1<' in console.get("/").text


def test_an_alert_is_acknowledged_by_a_form(console: TestClient, world: World):
    alert_id = raise_one(world)
    answer = console.post("/alerts/ack", data={"id": alert_id} | {"csrf": TOKEN}, headers=HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    assert world.desk.book.open_count() == 0
    assert "seen to by console" in console.get("/alerts?show=all").text
    assert "seen to" not in console.get("/alerts").text


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, "form", 303),
        ({"sec-fetch-site": "same-origin"}, "form without token", 403),
        ({"sec-fetch-site": "cross-site"}, "form", 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8788"}, "form", 403),  # another port
        ({"origin": "http://127.0.0.1:8788"}, "form", 303),
        ({"origin": "null"}, "form", 303),  # what browsers write under our own referrer policy
        ({"origin": "null"}, "form without token", 403),
        ({"origin": "http://evil.example"}, "form", 403),
        ({"origin": "http://["}, "form", 403),
        ({}, "form without token", 403),
        ({"host": "evil.example", "sec-fetch-site": "same-origin"}, "form", 403),
        ({"sec-fetch-site": "cross-site"}, "json", 403),
        ({"origin": "http://evil.example"}, "json", 403),
        ({}, "json", 200),
    ],
)
def test_only_this_console_and_programs_may_change_something(
    console: TestClient, world: World, headers: dict[str, str], kind: str, status: int
):
    alert_id = raise_one(world)
    if kind == "form":
        answer = console.post("/alerts/ack", data={"id": alert_id, "csrf": TOKEN}, headers=headers)
    elif kind == "form without token":
        answer = console.post("/alerts/ack", data={"id": alert_id, "csrf": "guessed"}, headers=headers)
    else:
        answer = console.post("/api/alerts/ack", json={"id": alert_id}, headers=headers)
    assert answer.status_code == status
    assert world.desk.book.open_count() == (status == 403)


def test_a_channel_is_made_changed_switched_off_and_removed_by_forms(console: TestClient, world: World):
    form = {"name": "ops", "kind": "apprise", "target": "env:BURSAR_ALERT_SLACK", "takes_all": "yes", "is_on": "yes"}
    assert (
        console.post("/alerts/channel", data=form | {"csrf": TOKEN}, headers=HERE).headers["location"]
        == "/alerts#channels"
    )
    page = console.get("/alerts?channel=ops").text
    assert "Change ops" in page
    assert 'value="env:BURSAR_ALERT_SLACK"' in page
    console.post("/alerts/channel", data=form | {"quiet": "22:00-07:00"} | {"csrf": TOKEN}, headers=HERE)
    assert world.desk.channel("ops").quiet == "22:00-07:00"
    console.post("/alerts/switch", data={"what": "channel", "name": "ops", "on": ""} | {"csrf": TOKEN}, headers=HERE)
    assert not world.desk.channel("ops").is_on
    console.post("/alerts/remove", data={"what": "channel", "name": "ops"} | {"csrf": TOKEN}, headers=HERE)
    assert world.desk.settings.channels() == []


def test_a_rule_is_made_and_changed_by_a_form(console: TestClient, world: World):
    form = {"name": "big", "kind": "period_spend", "parameters": "amount_usd=500 period=week", "is_on": "yes"}
    form |= {"filters": "team=core; feature!=search", "severity": "critical"}
    assert console.post("/alerts/rule", data=form | {"csrf": TOKEN}, headers=HERE).status_code == 303
    told = next(rule for rule in console.get("/alerts.json").json()["rules"] if rule["name"] == "big")
    assert told["parameters"] == {"amount_usd": "500", "period": "week"}
    assert (told["filters"], told["severity"]) == (["team=core", "feature!=search"], "critical")
    assert "amount_usd=500 period=week" in console.get("/alerts?rule=big").text


@pytest.mark.parametrize(
    ("path", "form", "status", "words"),
    [
        ("channel", {"name": "ops", "kind": "apprise", "target": "slack://a/b/c"}, 400, "environment variable"),
        ("channel", {"name": "o", "kind": "apprise", "target": "env:X", "escalate_after_min": "soon"}, 400, "minutes"),
        ("rule", {"name": "r", "kind": "daily_spend", "parameters": "factor"}, 400, "name=value"),
        ("rule", {"name": "r", "kind": "daily_spend", "severity": "fatal"}, 400, "critical"),
        ("ack", {"id": "nonsense"}, 404, "bursar alerts list"),
        ("test", {"channel": "nobody"}, 404, "bursar alerts channels"),
        ("switch", {"what": "moon"}, 400, "rule or a channel"),
        ("remove", {"what": "rule", "name": "nobody"}, 404, "bursar alerts rules"),
    ],
)
def test_a_form_that_cannot_be_says_what_to_do(console: TestClient, path: str, form, status: int, words: str):
    answer = console.post(f"/alerts/{path}", data=form | {"csrf": TOKEN}, headers=HERE)
    assert answer.status_code == status
    assert words in answer.text


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.mark.parametrize(("status", "words"), [(204, "hook took the test"), (500, "hook didn&#39;t take the test")])
def test_the_test_button_says_what_became_of_it(console: TestClient, world: World, hook: Hook, status: int, words: str):
    hook.status = status
    world.env |= {"BURSAR_ALERT_HOOK": hook.address, "BURSAR_ALERT_SECRET": "x" * 8}
    world.desk.put_channel(Channel("hook", "webhook", "env:BURSAR_ALERT_HOOK", "BURSAR_ALERT_SECRET"), actor="test")
    from threading import Thread

    def deliver() -> None:
        deadline = time.monotonic() + 60
        while not world.deliverer().deliver() and not hook.requests and time.monotonic() < deadline:
            time.sleep(0.02)

    thread = Thread(target=deliver)
    thread.start()
    answer = console.post("/alerts/test", data={"channel": "hook"} | {"csrf": TOKEN}, headers=HERE)
    thread.join()
    assert words in console.get(answer.headers["location"].partition("#")[0]).text
    assert len(hook.requests) == 1


def test_the_twins_have_what_the_page_has(console: TestClient, world: World):
    alert_id = raise_one(world)
    told = console.get("/alerts.json").json()
    assert told == console.get("/api/alerts").json()
    assert [alert["id"] for alert in told["alerts"]] == [alert_id]
    csv = console.get("/alerts.csv").text
    assert csv.splitlines()[0].startswith("id,raised_at,severity")
    assert alert_id in csv


def test_the_api_does_what_the_forms_do(console: TestClient, world: World):
    wish = {"name": "ops", "target": "env:BURSAR_ALERT_SLACK"}
    assert console.post("/api/alerts/channels", json=wish).json()["waiting"] == 0
    rule = {"name": "big", "kind": "period_spend", "parameters": {"amount_usd": "5"}, "channels": ["ops"]}
    assert console.post("/api/alerts/rules", json=rule).json()["parameters"]["period"] == "month"
    assert console.post("/api/alerts/remove", json={"what": "rule", "name": "big"}).json() == {
        "what": "rule", "name": "big",
    }  # fmt: skip
    problem = console.post("/api/alerts/channels", json=wish | {"target": "slack://secret"}).json()
    assert (problem["code"], problem["field"]) == ("bad_alert", "to")
    assert "secret" not in problem["detail"].replace("holds a secret", "")
    assert console.post("/api/alerts/ack", json={"id": 7}).status_code == 400


def test_a_channel_that_takes_nothing_is_told_on_the_page(console: TestClient, world: World):
    world.desk.put_channel(Channel("ops", "apprise", "env:BURSAR_ALERT_NOWHERE"), actor="test")
    raise_one(world)
    world.deliverer().deliver()
    page = console.get("/alerts").text
    assert "ops doesn&#39;t take alerts" in page
    assert "BURSAR_ALERT_NOWHERE isn&#39;t set" in page


def test_a_console_without_a_control_store_still_answers(context: ConsoleContext, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context, "alerts", None)
    monkeypatch.setattr(context, "status", lambda: {"alert_fault": "the control store can't be opened"})
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        assert "the control store can&#39;t be opened" in client.get("/").text
        assert client.get("/alerts").status_code == 503
        assert client.get("/api/alerts").json()["code"] == "unavailable"


@pytest.mark.parametrize("name", ["all", "format"])
def test_a_parameter_that_cannot_be_read_is_named_as_it_was_asked(client: TestClient, name: str):
    path = {"all": "/api/alerts", "format": "/api/budgets"}[name]
    refused = client.get(path, params={name: "perhaps"})
    assert (refused.status_code, refused.json()["field"]) == (400, name)

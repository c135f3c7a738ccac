"""Loopback names only, reading only, nothing foreign runs, errors that say what to do."""

import pytest
from litestar.testing import TestClient

from bursar.config import load_config
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.guard import is_loopback
from bursar.domain.errors import ConfigError


@pytest.mark.parametrize(
    ("host", "ok"),
    [("127.0.0.1:8788", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8788", True), ("::1", True),
     ("127.5.5.5", True), ("bursar.localhost:80", True), ("evil.example", False), ("127.0.0.1.evil.example", False),
     ("0.0.0.0", False), ("10.0.0.1:8788", False), ("", False), ("localhost.evil.example", False), ("[::2]", False)],
)  # fmt: skip
def test_only_names_of_this_machine_are_answered(client: TestClient, host: str, ok: bool):
    assert is_loopback(host) is ok
    if host:
        assert client.get("/api/live", headers={"host": host}).status_code == (200 if ok else 403)


@pytest.mark.parametrize(
    "path", ["/", "/calls", "/api/costs", "/nowhere", "/static/x/bursar.css", "/explore?period=never"]
)
def test_every_answer_carries_the_policy(client: TestClient, path: str):
    for host in ("127.0.0.1", "evil.example"):
        headers = client.get(path, headers={"host": host}).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_console_only_reads(client: TestClient, method: str):
    answer = client.request(method, "/api/costs")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_it_refuses_to_listen_for_other_machines(context: ConsoleContext):
    config = load_config(overrides={"console.host": "0.0.0.0"}, env={})
    with pytest.raises(ConfigError, match="SSH tunnel"):
        create_app(
            ConsoleContext(
                **{name: getattr(context, name) for name in ("explorer", "ledger", "prices", "spool_dir")},
                config=config,
            )
        )


@pytest.mark.parametrize(
    ("query", "field", "word"),
    [("period=never", "period", "last-month"), ("tz=Mars/Olympus", "tz", "Asia/Kolkata"), ("limit=0", "limit", "1"),
     ("limit=99999", "limit", "10000"), ("by=nonsense", "dimension", "feature"),
     ("filter=feature", "filter", "feature=checkout"),
     ("by=team&and=team", "and", "different"), ("sort=size", "sort", "cost"), ("compare=perhaps", "compare", ""),
     ("filter=nonsense=1", "dimension", "feature"), (f"period={'9' * 600}", "period", "512")],
)  # fmt: skip
def test_bad_input_names_the_field_and_what_can_be_written(client: TestClient, query: str, field: str, word: str):
    answer = client.get(f"/api/costs?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["field"] == field
    assert word in problem["detail"]
    assert problem["code"] in ("bad_request", "bad_period", "bad_query")


def test_an_error_is_a_calm_page_for_people_and_a_problem_for_programs(client: TestClient):
    page = client.get("/explore?period=never")
    assert page.status_code == 400
    assert "That can&#39;t be read" in page.text
    assert client.get("/nowhere").status_code == 404
    assert client.get("/api/nowhere").json()["code"] == "unknown_route"
    assert client.get("/api/calls/nonsense").json()["code"] == "unknown_call"
    assert client.get("/calls/018bcfe5-6800-7abc-8def-0123456789ab").status_code == 404


def test_an_unforeseen_error_is_told_without_its_insides(context: ConsoleContext, monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(context, "prices", broken)
    with TestClient(create_app(context), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        for path in ("/prices", "/api/prices"):
            answer = client.get(path)
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert "internal_error" in answer.text


def test_a_loader_that_fails_is_told_on_every_page(context: ConsoleContext, monkeypatch: pytest.MonkeyPatch):
    loader = {"error": "disk full", "loaded_us": 1_795_000_000_000_000}
    monkeypatch.setattr(context, "status", lambda: {"loader": loader})
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        for path in ("/", "/explore", "/calls", "/prices"):
            assert "disk full" in client.get(path).text
        assert client.get("/api/status").json()["process"]["loader"] == loader


@pytest.mark.parametrize("path", ["/", "/api/costs", "/calls.csv"])
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str):
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]


def test_a_page_that_is_posted_to_says_what_is_allowed(client: TestClient):
    assert client.post("/").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("path", "word"),
    [("/api/costs?by=day", "/api/explore?grain=day"), ("/calls?period=2026-11-09..2026-11-01", "ends before")],
)
def test_what_is_asked_the_wrong_way_round_is_refused(client: TestClient, path: str, word: str):
    answer = client.get(path)
    assert answer.status_code == 400
    assert word in answer.text


def test_a_cursor_that_is_none_of_ours_is_a_bad_question(client: TestClient):
    assert client.get("/api/calls?cursor=xx").json()["code"] == "bad_query"

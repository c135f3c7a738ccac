"""The pure parts of `bench gateway --peers`: nothing is installed here, and no gateway is started."""

import json
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bursar.bench import bodies, environments, peers
from bursar.bench.comparison import (
    Case,
    Comparison,
    Gateway,
    Probe,
    figures,
    json_rows,
    probe_rows,
    stated_cost,
    table_rows,
)
from bursar.bench.drained import drained
from bursar.bench.peer import MODELS, Ask, Kind, post
from bursar.bench.peers_litellm import configuration as litellm_configuration
from bursar.bench.peers_portkey import PACKAGES, Portkey
from bursar.bench.peers_tensorzero import configuration as tensorzero_configuration
from bursar.config import load_config
from bursar.domain.errors import Unavailable

UPSTREAMS: dict[Kind, int] = {"answer": 9001, "burst": 9002, "unknown": 9003, "silent": 9004}
CASES = [Case("c16", "CPU, 16 connections", "16"), Case("c32", "CPU, 32 connections", "32", 4.5)]


def comparison(**changes: Any) -> Comparison:
    gateways = [
        Gateway("nginx", cpu_us={"c16": [20.0, 22.0, 24.0], "c32": [20.0]}, memory_mb=5.0, keeps="nothing"),
        Gateway(
            "Bursar",
            cpu_us={"c16": [66.0], "c32": [90.0]},
            beside_us={"c16": [11.0], "c32": [10.0]},
            start_s=1.5,
            memory_mb=50.0,
            beside_mb=100.0,
            keeps="every attempt",
        ),
        Gateway("LiteLLM", "1.106.2", "nothing", {"c16": [13_200.0]}, failed={"c32": "HTTP 500"}),
        Gateway("Portkey", "1.15.2", absent="npm is not installed"),
    ]
    probes = [Probe("cost of an unknown model", "unknown model", {"Bursar": "no cost", "LiteLLM": "0.0"})]
    return Comparison(CASES, **({"gateways": gateways, "probes": probes, "load": (1.0, 4.0)} | changes))


def test_the_table_has_a_row_for_each_gateway_also_for_one_that_could_not_be_had():
    rows = {row["gateway"]: row for row in table_rows(comparison())}
    assert list(rows) == ["nginx", "Bursar", "Bursar, console too", "LiteLLM 1.106.2", "Portkey 1.15.2"]
    assert (rows["nginx"]["c16"], rows["Bursar"]["c16"]) == ("22", "66  3.0 ×")
    assert rows["Bursar, console too"]["c16"] == "77  3.5 ×"
    assert (rows["Bursar"]["memory"], rows["Bursar, console too"]["memory"]) == ("50 MB", "150 MB")
    assert (rows["LiteLLM 1.106.2"]["c16"], rows["LiteLLM 1.106.2"]["c32"]) == ("13,200  600 ×", "failed")
    assert rows["Portkey 1.15.2"] == {
        "gateway": "Portkey 1.15.2", "c16": "–", "c32": "–", "start": "–", "memory": "–", "keeps": "not measured",
    }  # fmt: skip


def test_what_is_missing_is_told_with_its_reason():
    notes = comparison().notes
    assert notes == ["Portkey 1.15.2: not measured. npm is not installed", "LiteLLM 1.106.2, c32: HTTP 500"]
    told = [row["note"] for row in json_rows(comparison()) if row["name"] == "not measured"]
    assert told == notes


def test_only_bursar_is_judged_and_only_where_something_was_promised():
    found = {figure.name: figure for figure in figures(comparison())}
    assert [name for name, figure in found.items() if figure.bound is not None] == ["Bursar: CPU, 32 connections"]
    assert found["Bursar: CPU, 32 connections"].ok
    assert found["LiteLLM 1.106.2: CPU, 16 connections"].ratio == 600
    assert "LiteLLM 1.106.2: CPU, 32 connections" not in found
    slower = comparison()
    slower.gateways[1].cpu_us["c32"] = [91.0]
    assert [figure.name for figure in figures(slower) if not figure.ok] == ["Bursar: CPU, 32 connections"]


def test_without_nginx_there_are_values_and_no_ratios():
    alone = comparison(gateways=comparison().gateways[1:])
    assert table_rows(alone)[0]["c16"] == "66"
    assert {figure.ratio for figure in figures(alone)} == {None}


def test_json_is_one_list_of_one_shape():
    rows = json_rows(comparison())
    shapes = {tuple(row) for row in rows}
    assert len(shapes) == 1
    assert {"name", "value", "unit", "ratio", "target", "ok"} <= set(rows[0])
    asked = {row["name"]: row["note"] for row in rows}
    assert asked["LiteLLM: cost of an unknown model"] == "0.0"
    assert asked["load average before and after"] == "1.0, 4.0"


def test_a_gateway_that_was_not_asked_is_not_in_the_second_table():
    assert probe_rows(comparison()) == [
        {"gateway": "Bursar", "unknown model": "no cost"},
        {"gateway": "LiteLLM 1.106.2", "unknown model": "0.0"},
    ]


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"x-bursar-cost": "0.0001044", "x-bursar-cost-quality": "reported"}, b"{}", "0.0001044 (reported)"),
        ({"x-bursar-cost-quality": "unpriced"}, b"{}", "no cost; says unpriced"),
        ({"x-litellm-call-id": "1", "x-litellm-response-cost": "0.000104399999"}, b"{}", "0.000104399999"),
        ({"x-litellm-call-id": "1"}, b"{}", "no cost header"),
        ({}, b'{"usage": {"tensorzero_cost": null}}', "null"),
        ({}, b'{"usage": {"tensorzero_cost": 0.1}}', "0.1"),
        ({}, b'{"usage": {"total_tokens": 3}}', "says nothing of cost"),
        ({}, b'{"usage": null}', "says nothing of cost"),
        ({}, b"[]", "says nothing of cost"),
        ({}, b"data: {}", "unreadable answer"),
    ],
)  # fmt: skip
def test_a_stated_cost_is_told_in_the_gateways_own_digits(headers, body, said):
    assert stated_cost(headers, body) == said


def test_an_installers_reason_is_one_line_without_addresses():
    text = "Looking in indexes: https://user:secret@host/index\nERROR: No matching distribution at https://u:s@h/x\n\n"
    assert environments.reason(text) == "ERROR: No matching distribution at (address)"
    assert environments.reason("one\ntwo") == "two"
    assert environments.reason("") == "it said nothing"
    assert len(environments.reason("x" * 999)) == environments.REASON_CHARS_MAX


def test_an_environment_that_is_complete_is_not_filled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        Path(tmp_path / "bursar" / "bench-peers" / "it-1").mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "it==1\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    root = environments.python_environment("it-1", ["it==1"])
    assert root == tmp_path / "bursar" / "bench-peers" / "it-1"
    assert (root / "installed.txt").read_text() == "it==1\n"
    assert commands[1][-1] == "it==1"
    filled = len(commands)
    assert environments.python_environment("it-1", ["it==1"]) == root
    assert len(commands) == filled


def test_a_failed_installation_says_why_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no such version at https://host/index")

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"failed: ERROR: no such version at \(address\)"):
            environments.python_environment("it-1", ["it==1"])


def test_a_peer_that_cannot_be_had_is_in_the_table_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Portkey):
        def install(self) -> Path:
            raise Unavailable("npm is not installed")

    monkeypatch.setattr(peers, "PEERS", (Gone(),))
    told: list[str] = []
    assert peers.installed(told.append) == ([], {"Portkey": "npm is not installed"})
    assert told


def test_bursar_finds_each_kind_of_upstream_by_the_models_name():
    config = load_config(env=peers.settings(UPSTREAMS))
    found = {
        name: (upstream.base_url, upstream.models, upstream.provider) for name, upstream in config.upstreams.items()
    }
    assert found["burst"] == ("http://127.0.0.1:9002", [MODELS["burst"]], "openai")
    assert {"unknown", "silent"} <= set(found)
    assert "answer" not in found  # the zero-config upstream takes the rest


def test_the_peers_configurations_name_each_model_with_its_upstream():
    litellm: Any = litellm_configuration(UPSTREAMS)
    assert {model["model_name"]: model["litellm_params"]["api_base"] for model in litellm["model_list"]} == {
        MODELS[kind]: f"http://127.0.0.1:{port}/v1" for kind, port in UPSTREAMS.items()
    }
    assert litellm["general_settings"]["master_key"]
    tensorzero = tomllib.loads(tensorzero_configuration(UPSTREAMS))
    assert not tensorzero["gateway"]["observability"]["enabled"]
    assert {name: model["providers"]["upstream"]["api_base"] for name, model in tensorzero["models"].items()} == {
        MODELS[kind]: f"http://127.0.0.1:{port}/v1/" for kind, port in UPSTREAMS.items()
    }


def test_every_version_is_pinned():
    assert all(peer.version.count(".") == 2 for peer in peers.PEERS)
    assert all(version.count(".") == 2 for version in PACKAGES.values())


def test_the_bodies_name_the_model_where_a_peer_will_rename_it():
    for load in peers.LOADS:
        assert load.body.count(b'"gpt-4o-mini"') == 1
        assert json.loads(load.body)["model"] == "gpt-4o-mini"


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that http.server calls
        self.rfile.read(int(self.headers["content-length"]))
        body = self.path.encode()
        self.send_response(200 if self.path == "/ok" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Bursar-Tags", self.headers.get("x-bursar-tags", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_drained_round_counts_every_call_and_at_least_one_a_connection(port: int) -> None:
    served = drained(Ask(port, "/ok", {}, bodies.chat_request(300)), [], connections=4, seconds=0)
    assert (served.requests, served.cpu_s) == (4, 0)


def test_an_answer_that_is_not_200_ends_a_drained_round(port: int) -> None:
    with pytest.raises(Unavailable, match="HTTP 500"):
        drained(Ask(port, "/broken", {}, b"{}"), [], connections=2, seconds=0)


def test_a_single_call_gives_lower_case_headers(port: int) -> None:
    status, headers, body = post(Ask(port, "/ok", {}, b"{}"), tags="feature=x")
    assert (status, headers["x-bursar-tags"], body) == (200, "feature=x", b"/ok")


def test_a_call_that_nobody_answers_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="no answer"):
        post(Ask(1, "/ok", {}, b"{}"))

"""A realtime session through a real worker: its bytes, its money, and its end, whoever brings that about."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import openai
import pytest
from tests.realtime_client import Socket, connect, sound
from tests.wire_client import exchange, request_bytes
from tests.world import OPERATOR_KEYS, World, gateway_world, kill9
from websockets.frames import Frame, Opcode

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.controls import KillTerms, PolicyTerms
from bursar.domain.money import pico_from_usd
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.ledger.verify import verify
from bursar.spool.records import Dispatched, Ended, Settled

TEXT = {"output_modalities": ["text"]}
WITH_MODEL = {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("realtime") / "data", drain_after_hangup_s=1.0) as world:
        yield world


@asynccontextmanager
async def session(world: World, tags: str, sim: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Socket]:
    """An open session whose rows are found by its tags."""
    headers = {"x-bursar-tags": f"feature={tags}", "x-sim": json.dumps({"label": tags, **(sim or {})})}
    socket = await connect(world.port, headers=headers | more.pop("headers", {}), **more)
    assert socket.status == 101, socket.body
    await socket.until("session.created")
    try:
        yield socket
    finally:
        socket.hang_up()


def rows(world: World, tags: str, seconds: float = 40.0) -> list[tuple[Dispatched, Settled]]:
    """The attempts of a feature, once all of them have ended."""
    deadline = time.monotonic() + seconds
    while True:
        records = world.records()
        begun = [one for one in records if isinstance(one, Dispatched) and one.call.attribution.feature == tags]
        ended = {one.attempt_id: one for one in records if isinstance(one, Settled)}
        if all(one.attempt_id in ended for one in begun):
            return [(one, ended[one.attempt_id]) for one in begun]
        assert time.monotonic() < deadline, world.logs()
        time.sleep(0.02)


def key_sha256(key: str) -> str:
    """As the simulator's log has it."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def unsent(world: World, tags: str, seconds: float = 40.0) -> Ended:
    """The end of a session of a feature in which nothing was billed."""
    deadline = time.monotonic() + seconds
    while True:
        ends = [one for one in world.records() if isinstance(one, Ended) and one.call.attribution.feature == tags]
        if ends:
            [end] = ends
            return end
        assert time.monotonic() < deadline, world.logs()
        time.sleep(0.02)


async def ask(socket: Socket, text: str = "hello", **response: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    await socket.say(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await socket.say(type="response.create", response=TEXT | response)
    return await socket.until("response.done")


def test_each_response_is_a_call_with_what_the_provider_billed_for_it(world: World):
    async def talk() -> str:
        async with session(world, "turns") as socket:
            first = await ask(socket)
            assert first["response"]["status"] == "completed"
            await ask(socket, "and again" * 300)
            await socket.goodbye(1000, "bye")
            assert socket.close == (1000, "bye")
            return socket.headers["x-bursar-call-id"]

    session_id = asyncio.run(talk())
    found, seen = rows(world, "turns"), world.sim_log("turns")
    assert [settled.usage for _, settled in found] == [entry.usage for entry in seen]
    assert [settled.list_pico for _, settled in found] == [entry.cost_pico for entry in seen]
    assert {settled.quality for _, settled in found} == {"reported"}
    assert {begun.call.attribution.session for begun, _ in found} == {session_id}
    assert len({begun.call.call_id for begun, _ in found}) == 2
    assert all(begun.dispatched_us <= settled.first_byte_us <= settled.ended_us for begun, settled in found)


def test_speech_is_answered_by_the_provider_itself_and_both_models_are_billed(world: World):
    async def talk() -> None:
        async with session(world, "voice") as socket:
            await socket.say(type="session.update", session=WITH_MODEL)
            await socket.until("session.updated")
            for _ in range(2):
                await socket.say(type="input_audio_buffer.append", audio=sound(8.0))
                await socket.say(type="input_audio_buffer.append", audio=sound(0.3, 0))
                await socket.until("response.done")
            await socket.goodbye()

    asyncio.run(talk())
    found, seen = rows(world, "voice"), world.sim_log("voice")
    by_operation = {
        kind: [settled for begun, settled in found if begun.call.operation == kind]
        for kind in ("realtime", "transcription")
    }
    assert [one.usage for one in by_operation["realtime"]] == [
        entry.usage for entry in seen if entry.dialect == "openai-realtime"
    ]
    assert [one.list_pico for one in by_operation["realtime"]] == [
        entry.cost_pico for entry in seen if entry.dialect == "openai-realtime"
    ]
    assert by_operation["realtime"][1].usage.cache_read_audio > 0
    assert [one.usage for one in by_operation["transcription"]] == [
        entry.usage for entry in seen if entry.dialect == "openai-realtime-transcription"
    ]
    assert all(one.list_pico for one in by_operation["transcription"])


def test_a_transcription_sold_by_the_second_is_unpriced_and_never_free(world: World):
    async def talk() -> None:
        async with session(world, "by-time") as socket:
            await socket.say(
                type="session.update",
                session={"audio": {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}}},
            )
            await socket.until("session.updated")
            await socket.say(type="input_audio_buffer.append", audio=sound(0.5))
            await socket.say(type="input_audio_buffer.commit")
            await socket.until("conversation.item.input_audio_transcription.completed")
            await socket.goodbye()

    asyncio.run(talk())
    [(begun, settled)] = rows(world, "by-time")
    assert (begun.call.operation, settled.quality, settled.list_pico) == ("transcription", "unpriced", None)


def test_bytes_pass_through_in_the_frames_they_came_in(world: World):
    async def talk() -> None:
        async with session(world, "bytes") as socket:
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "é" * 2000}]}
            text = json.dumps({"type": "conversation.item.create", "item": item}, ensure_ascii=False)
            await socket.send(text.encode(), pieces=701)
            assert (await socket.until("conversation.item.done"))["item"]["content"] == item["content"]
            socket.protocol.send_ping(b"are you there")
            await socket.flush()
            await socket.say(type="no.such.event", event_id="evt_7")
            told = await socket.until("error")
            assert told["error"]["event_id"] == "evt_7"
            assert b"are you there" in [frame.data for frame in socket.frames]
            await socket.goodbye(4001, "an application's own code")
            assert socket.close == (4001, "an application's own code")

    asyncio.run(talk())
    ended = unsent(world, "bytes")
    assert (ended.outcome, ended.client_status) == ("ok", 101)


def test_no_key_of_ours_goes_up_and_none_of_the_operators_comes_down(world: World):
    made = world.site.keys().create("browser", Scope("default"), Attribution(), actor="test")
    world.site.publish()
    world.until_known()

    async def talk() -> Socket:
        offered = f"realtime, openai-insecure-api-key.{made.text}, openai-beta.realtime-v1"
        socket = await connect(
            world.port,
            headers={"sec-websocket-protocol": offered, "x-bursar-tags": "feature=browser"},
            key="",
        )
        await ask(socket)
        await socket.goodbye()
        return socket

    socket = asyncio.run(talk())
    assert socket.headers["sec-websocket-protocol"] == "realtime"
    told = json.dumps([socket.headers, socket.events])
    assert made.text not in told
    assert OPERATOR_KEYS["SIM_OPENAI_KEY"] not in told
    [(begun, _)] = rows(world, "browser")
    assert begun.call.credential_id == made.key.credential_id
    from_us = world.sim_log()[-1]
    assert "authorization" in from_us.header_names
    assert from_us.key_sha256 == key_sha256(OPERATOR_KEYS["SIM_OPENAI_KEY"])


@pytest.mark.parametrize(
    ("path", "headers", "key", "status", "code"),
    [
        ("/v1/realtime?model=gpt-realtime", {}, "", 401, "unauthenticated"),
        ("/v1/realtime", {}, "sk-own", 400, "missing_field"),
        ("/v1/realtime?intent=transcription", {}, "sk-own", 400, "bad_request"),
        ("/v1/realtime?call_id=rtc_1", {}, "sk-own", 400, "bad_request"),
        ("/v1/realtime?model=gpt-realtime", {"sec-websocket-version": "8"}, "sk-own", 426, "upgrade_required"),
        ("/v1/realtime?model=gpt-realtime", {"sec-websocket-key": "short"}, "sk-own", 400, "bad_request"),
        ("/v1/realtime?model=gpt-realtime", {"content-length": "5"}, "sk-own", 400, "bad_request"),
        ("/v1/models", {}, "sk-own", 200, ""),
        ("/v1/nothing", {}, "sk-own", 404, "unknown_route"),
    ],
)
def test_an_upgrade_that_cannot_be_is_refused_in_words(
    world: World, path: str, headers: dict[str, str], key: str, status: int, code: str
):
    socket = asyncio.run(connect(world.port, path, headers, key=key))
    assert socket.status == status
    assert socket.headers.get("x-bursar-error", "") == code
    if code:
        assert json.loads(socket.body)["error"]["message"]


def test_without_an_upgrade_the_address_says_what_it_speaks(world: World):
    answer = asyncio.run(exchange(world.port, b"GET /v1/realtime?model=x HTTP/1.1\r\nhost: x\r\n\r\n"))
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (426, "upgrade_required")


@pytest.mark.parametrize(
    "path", ["client_secrets", "sessions", "transcription_sessions", "calls", "calls/rtc_1/accept"]
)
def test_what_would_let_a_browser_spend_past_us_is_refused(world: World, path: str):
    headers = {"authorization": "Bearer sk-own", "content-type": "application/json", "connection": "close"}
    answer = asyncio.run(exchange(world.port, request_bytes(f"/v1/realtime/{path}", b"{}", headers)))
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("fault", ["401", "429", "500", "reset"])
def test_a_provider_that_refuses_the_session_is_heard_and_bills_nothing(world: World, fault: str):
    tags = f"refused-{fault}"
    headers = {"x-sim": json.dumps({"fault": fault}), "x-bursar-tags": f"feature={tags}"}
    socket = asyncio.run(connect(world.port, headers=headers))
    assert socket.status == (502 if fault == "reset" else int(fault))
    ended = unsent(world, tags)
    assert ended.client_status == socket.status
    assert rows(world, tags) == []


def test_a_provider_that_breaks_off_leaves_an_estimate_of_what_it_said(world: World):
    async def talk() -> Socket:
        async with session(world, "cut", {"fault": "cut", "after": 5}) as socket:
            await socket.say(type="response.create", response=TEXT)
            await socket.drain()
            return socket

    socket = asyncio.run(talk())
    assert socket.events[-1]["error"]["code"] == "upstream_broken"
    assert socket.close == (1011, "upstream_broken")
    [(_, settled)] = rows(world, "cut")
    assert (settled.quality, settled.outcome, settled.error_code) == ("estimated", "provider_error", "stream_cut")
    assert settled.usage.output > 0
    assert settled.list_pico is not None
    assert settled.list_pico > 0


def test_a_session_cut_at_every_event_leaves_one_row_for_what_was_asked(world: World):
    cuts = range(10)  # all events of an answer in three pieces, and behind them a whole one

    async def talk(after: int) -> None:
        async with session(world, f"cut-{after}", {"fault": "cut", "after": after, "chunks": 3}) as socket:
            await socket.say(type="response.create", response=TEXT)
            await socket.hear()
            if after >= 8:
                await socket.until("response.done")
            else:
                await socket.drain()

    async def every() -> None:
        await asyncio.gather(*(talk(after) for after in cuts))

    asyncio.run(every())
    for after in cuts:
        [(_, settled)], [seen] = rows(world, f"cut-{after}"), world.sim_log(f"cut-{after}")
        assert settled.list_pico is not None
        assert settled.list_pico > 0
        if seen.completed:
            assert (settled.quality, settled.usage, settled.list_pico) == ("reported", seen.usage, seen.cost_pico)
        else:
            assert (settled.quality, settled.error_code) == ("estimated", "stream_cut")
            assert settled.usage.total_output <= seen.usage.total_output + 1  # bytes / 4, rounded
            assert settled.client_status == 101


def test_a_client_that_hangs_up_in_mid_answer_costs_what_was_said_until_then(world: World):
    async def talk() -> None:
        async with session(world, "gone", {"interval_ms": 30, "chunks": 40}) as socket:
            await socket.say(type="response.create", response=TEXT)
            await socket.until("response.output_text.delta")

    asyncio.run(talk())
    [(_, settled)], [seen] = rows(world, "gone"), world.sim_log("gone")
    assert (settled.quality, settled.outcome, settled.client_status) == ("reported", "aborted", 0)
    assert (settled.usage, settled.list_pico) == (seen.usage, seen.cost_pico)
    assert settled.usage.output < 40


def test_what_never_began_costs_nothing_and_what_may_have_begun_costs_something(world: World):
    async def talk() -> None:
        async with session(world, "unspoken") as socket:  # sound that nobody speaks in
            await socket.say(type="input_audio_buffer.append", audio=sound(0.1, 0))
            await socket.goodbye()
        async with session(world, "unheard", {"fault": "stall", "after": 0, "stall_s": 60}) as socket:
            await socket.say(type="response.create", response=TEXT)
            await socket.until("response.created")
        async with session(world, "silent", {"delay_ms": 60_000}) as socket:
            await socket.say(type="response.create", response=TEXT)
        async with session(world, "twice", {"interval_ms": 20}) as socket:
            for _ in range(2):
                await socket.say(type="response.create", response=TEXT)
            assert (await socket.until("error"))["error"]["code"] == "conversation_already_has_active_response"
            await socket.until("response.done")
            await socket.goodbye()

    asyncio.run(talk())
    [(_, unspoken)] = rows(world, "unspoken")
    assert (unspoken.error_code, unspoken.list_pico, unspoken.outcome) == ("no_response", 0, "aborted")
    [(_, unheard)] = rows(world, "unheard")
    assert (unheard.quality, unheard.error_code) == ("estimated", "client_gone")
    [(begun, silent)] = rows(world, "silent")
    assert (silent.quality, silent.error_code) == ("assumed", "client_gone")
    assert silent.list_pico == begun.bound_pico
    assert sorted(settled.outcome for _, settled in rows(world, "twice")) == ["client_error", "ok"]


def test_an_answer_without_usage_is_estimated_and_one_that_was_cut_short_says_so(world: World):
    async def talk() -> None:
        async with session(world, "no-usage", {"fault": "no_usage"}) as socket:
            await ask(socket)
        async with session(world, "short") as socket:
            assert (await ask(socket, max_output_tokens=7))["response"]["status"] == "incomplete"

    asyncio.run(talk())
    [(_, silent)] = rows(world, "no-usage")
    assert (silent.quality, silent.outcome) == ("estimated", "ok")
    assert silent.usage.output > 0
    [(_, short)] = rows(world, "short")
    assert (short.usage.output, short.outcome) == (7, "truncated")


# -- who may, and for how much -----------------------------------------------------------------------------------------


def test_a_kill_closes_an_open_session_within_a_second(world: World):
    controls = world.site.controls()

    async def talk(tags: str) -> tuple[Socket, float]:
        async with session(world, tags, {"interval_ms": 50, "chunks": 100}) as socket:
            await socket.say(type="response.create", response=TEXT)
            await socket.until("response.output_text.delta")
            controls.kills.create(KillTerms(match={"feature": tags}, reason="runaway"), actor="test")
            controls.publish()
            began = time.monotonic()
            while socket.close is None:
                await socket.hear()
            took_s = time.monotonic() - began
            await socket.drain()
            return socket, took_s

    for number in range(5):  # the program keeps that promise, not a machine that is busy with other things
        tags = f"killed-{number}"
        try:
            socket, took_s = asyncio.run(talk(tags))
        finally:
            for kill in controls.kills.all():
                controls.kills.lift(kill.kill_id, actor="test")
            controls.publish()
        if took_s < 1.0:
            break
    assert took_s < 1.0
    assert socket.close is not None
    assert socket.close[0] == 1008
    assert socket.events[-1]["error"]["code"] == "killed"
    [(_, settled)], [seen] = rows(world, tags), world.sim_log(tags)
    assert (settled.error_code or settled.finish_reason, settled.usage) == ("client_cancelled", seen.usage)


def test_a_revoked_key_and_a_policy_close_the_session_too(world: World):
    keys, controls = world.site.keys(), world.site.controls()
    made = keys.create("revoked", Scope("default"), Attribution(), actor="test")
    world.site.publish()
    world.until_known()

    async def talk() -> list[str]:
        async with session(world, "revoked", key=made.text) as one, session(world, "denied") as other:
            keys.revoke("revoked", actor="test")
            terms = PolicyTerms(match={"feature": "denied"}, deny_models=("gpt-realtime",))
            policy = controls.policies.create("no-voice", terms, is_on=True, actor="test")
            controls.publish()
            await asyncio.gather(one.drain(), other.drain())
            controls.policies.remove(policy.policy_id, actor="test")
            return [one.events[-1]["error"]["code"], other.events[-1]["error"]["code"]]

    told = asyncio.run(talk())
    controls.publish()
    world.until_known()
    assert told == ["key_revoked", "policy_rule"]


def make_budget(world: World, tags: str, usd: str) -> Budget:
    budgets = world.site.budgets()
    made = budgets.create(
        Budget(
            budget_id="",
            name=tags,
            limit=LimitPlan(pico_from_usd(Decimal(usd))),
            window=Schedule(parse_spec("lifetime")),
            mode="strict",
            match={"feature": tags},
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()
    return made


def test_a_strict_budget_ends_the_session_before_it_can_be_passed(world: World):
    """A response is held at 8,192 + tokens in and 4,096 out, at the price of sound: some $0.53."""
    make_budget(world, "poor", "0.10")
    refused = asyncio.run(connect(world.port, headers={"x-bursar-tags": "feature=poor"}))
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (402, "budget_exhausted")

    make_budget(world, "voice-budget", "0.75")

    async def talk() -> Socket:
        async with session(world, "voice-budget", {"output": 2000, "text": "x"}) as socket:
            while socket.close is None and not socket.is_over:
                await socket.say(type="response.create", response=TEXT)
                while (event := await socket.hear()) is not None and event["type"] != "response.done":
                    pass
            await socket.drain()
            return socket

    socket = asyncio.run(talk())
    error = socket.events[-1]["error"]
    assert error["code"] == "budget_exhausted"
    for part in ("'voice-budget'", "of $0.75", "spent", "held", "this call could cost"):
        assert part in error["message"]
    assert socket.close is not None
    assert socket.close[0] == 1008
    assert socket.close[1].startswith("budget_exhausted")
    found = rows(world, "voice-budget")
    assert len(found) >= 2
    assert all(settled.quality == "reported" for _, settled in found)
    assert sum(settled.list_pico or 0 for _, settled in found) <= pico_from_usd(Decimal("0.75"))


def test_sessions_side_by_side_never_pass_a_strict_budget_together(world: World):
    make_budget(world, "crowd", "2.00")
    refused: list[str] = []

    async def talk(number: int) -> None:
        headers = {"x-bursar-tags": "feature=crowd", "x-sim": json.dumps({"output": 1500 + 200 * number, "text": "x"})}
        socket = await connect(world.port, headers=headers)
        if socket.status != 101:
            refused.append(json.loads(socket.body)["error"]["code"])
            return
        for _ in range(12):
            if socket.close is not None or socket.is_over:
                break
            await socket.say(type="response.create", response=TEXT)
            while (event := await socket.hear()) is not None and event["type"] not in ("response.done", "error"):
                pass
        if socket.close is None:
            await socket.goodbye()
        await socket.drain()
        refused.extend(one["error"]["code"] for one in socket.events if one["type"] == "error")
        socket.hang_up()

    async def crowd() -> None:
        await asyncio.gather(*(talk(number) for number in range(8)))

    asyncio.run(crowd())
    assert refused.count("budget_exhausted") >= 5
    found = rows(world, "crowd")
    assert len(found) > 5
    spent = sum(settled.list_pico or 0 for _, settled in found)
    assert pico_from_usd(Decimal("0.30")) < spent <= pico_from_usd(Decimal("2.00"))


def test_the_hold_grows_with_what_is_sent_and_is_free_again_when_the_session_ends(world: World):
    make_budget(world, "grows", "0.70")

    async def talk() -> None:
        async with session(world, "grows") as socket:
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 30_000}]}
            await socket.say(type="conversation.item.create", item=item)
            await socket.drain()
            assert socket.events[-1]["error"]["code"] == "budget_exhausted"
        for _ in range(3):  # each would find nothing left if one of them kept its hold
            async with session(world, "grows") as socket:
                await socket.goodbye()

    asyncio.run(talk())
    assert rows(world, "grows") == []


# -- weight ------------------------------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_stops_the_provider_and_nobody_else(world: World):
    asked = 12  # of some 3 MB each: more than all sockets and buffers on the way hold

    async def talk() -> None:
        async with session(world, "slow-reader", {"sound": 1000, "chunks": 50}, buffer_bytes=65536) as slow:
            for _ in range(asked):
                await slow.say(type="response.create")
                await asyncio.sleep(0.05)
            async with session(world, "quick") as quick:
                for _ in range(3):
                    await ask(quick)
            held_back = len(world.sim_log("slow-reader"))
            assert held_back < asked - 2
            began = ended = refused = 0
            while ended + refused < asked:
                event = await slow.hear()
                assert event is not None
                began += event["type"] == "response.created"
                ended += event["type"] == "response.done"
                refused += event["type"] == "error"
            assert began == ended > held_back / 2
            await slow.goodbye()

    asyncio.run(talk())
    found, seen = rows(world, "slow-reader"), world.sim_log("slow-reader")
    assert len([1 for _, settled in found if settled.outcome == "ok"]) == len(seen)
    assert sum(settled.list_pico or 0 for _, settled in found) == sum(entry.cost_pico or 0 for entry in seen)


def test_a_message_past_the_bound_is_refused_with_1009_and_the_rest_settled(world: World):
    async def talk() -> Socket:
        async with session(world, "too-big") as socket:
            await ask(socket)
            await socket.send(b"x" * (16 * 1024 * 1024 + 1))
            while socket.close is None and not socket.is_over:
                await socket.hear()
            return socket

    socket = asyncio.run(talk())
    assert socket.close is None or socket.close[0] == 1009
    [(_, settled)] = rows(world, "too-big")
    assert settled.outcome == "ok"


# -- worst of all ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_of_the_worker_leaves_what_was_under_way_at_its_bound(tmp_path):
    with gateway_world(tmp_path / "data") as world:

        async def talk() -> None:
            async with session(world, "kill9", {"interval_ms": 120, "chunks": 50}) as socket:
                await ask(socket, text="first")  # settled
                await socket.say(type="response.create", response=TEXT)
                await socket.until("response.output_text.delta")
                async with session(world, "listening") as other:
                    await other.say(type="input_audio_buffer.append", audio=sound(0.1))
                    await other.until("input_audio_buffer.speech_started")
                    kill9([world.processes[-1].pid])
                    world.processes[-1].wait()
                    await other.drain()
                await socket.drain()

        asyncio.run(talk())
        ledger = world.load()
        found = world.rows("SELECT feature, quality, list_cost, is_final FROM charges ORDER BY received_at")
        assert [(one["feature"], one["quality"]) for one in found] == [
            ("kill9", "reported"),
            ("kill9", "assumed"),
            ("listening", "assumed"),
        ]
        assert all(one["list_cost"] > 0 for one in found)
        assert [finding for finding in verify(ledger, world.site.paths.spool) if not finding.ok] == []


@pytest.mark.slow
def test_a_worker_that_stops_says_goodbye_and_hears_what_was_under_way(tmp_path):
    with gateway_world(tmp_path / "data") as world:

        async def talk() -> Socket:
            async with session(world, "draining", {"interval_ms": 50, "chunks": 50}) as socket:
                await socket.say(type="response.create", response=TEXT)
                await socket.until("response.output_text.delta")
                world.processes[-1].terminate()
                await socket.drain()
                return socket

        socket = asyncio.run(talk())
        assert socket.close is not None
        assert socket.close[0] == 1001
        world.processes[-1].wait(10)
        [(_, settled)], [seen] = rows(world, "draining"), world.sim_log("draining")
        assert (settled.quality, settled.usage, settled.list_pico) == ("reported", seen.usage, seen.cost_pico)


# -- the real client ---------------------------------------------------------------------------------------------------


async def test_the_openai_client_talks_through_us(world: World):
    client = openai.AsyncOpenAI(api_key="sk-own", base_url=f"{world.url}/v1", max_retries=0)
    headers = {"x-bursar-tags": "feature=sdk", "x-sim": json.dumps({"label": "sdk"})}
    async with client, client.realtime.connect(model="gpt-realtime", extra_headers=headers) as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        )
        await connection.response.create()
        said = ""
        async for event in connection:
            if event.type == "response.output_text.delta":
                said += event.delta
            elif event.type == "response.done":
                assert event.response.usage is not None
                assert event.response.usage.output_tokens == 40
                break
        await connection.input_audio_buffer.append(audio=sound(0.2, 0))
        await connection.send({"type": "no.such.event"})  # type: ignore[misc,arg-type]
        async for event in connection:
            if event.type == "error":
                break
    assert said
    found = await asyncio.to_thread(rows, world, "sdk")
    assert found[0][1].usage == world.sim_log("sdk")[0].usage
    assert found[0][0].call.client.startswith("AsyncOpenAI")


@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")  # openai 3.54 with websockets 17
def test_the_openai_client_without_asyncio_and_its_refusal(world: World):
    make_budget(world, "sdk-poor", "0.01")
    client = openai.OpenAI(api_key="sk-own", base_url=f"{world.url}/v1", max_retries=0)
    with client, client.realtime.connect(model="gpt-realtime", extra_headers={"x-sim": "{}"}) as connection:
        connection.response.create(response={"output_modalities": ["text"]})
        for event in connection:
            if event.type == "response.done":
                break
        else:
            raise AssertionError("the connection ended without response.done")
    refused = client.realtime.connect(model="gpt-realtime", extra_headers={"x-bursar-tags": "feature=sdk-poor"})
    with pytest.raises(Exception, match="402"):
        refused.enter()
    client.close()


def test_what_comes_with_the_request_is_heard_and_what_is_no_frame_ends_the_session(world: World):
    async def talk() -> Socket:
        early = Frame(Opcode.TEXT, b'{"type":"response.create","response":{"output_modalities":["text"]}}')
        async with session(world, "early", behind=early.serialize(mask=True)) as socket:
            await socket.until("response.done")
            socket.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await socket.drain()
            return socket

    socket = asyncio.run(talk())
    assert socket.close is not None
    assert socket.close[0] == 1002
    [(_, settled)] = rows(world, "early")
    assert settled.outcome == "ok"


@pytest.mark.parametrize("cut", [1, 7])
def test_a_handshake_that_comes_in_small_pieces(world: World, cut: int):
    async def talk() -> None:
        async with session(world, f"pieces-{cut}", pieces=400 // cut) as socket:
            await ask(socket)
            await socket.goodbye()

    asyncio.run(talk())
    assert len(rows(world, f"pieces-{cut}")) == 1

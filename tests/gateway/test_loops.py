"""The loop breaker: what a loop is, and above all what isn't one. One case a line; the clock jumps."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.loop_script import CENT, START_US, Played, Sent, breakers_of, facts_of, play

from bursar.config import load_config
from bursar.domain.errors import ConfigError, LoopCut
from bursar.domain.loops import Loops
from bursar.gateway.loop_cuts import Lift, list_cuts
from bursar.gateway.loop_pace import PACES_MAX
from bursar.gateway.loop_table import BYTES, Tables, open_tables
from bursar.gateway.loop_watch import LoopWatch
from bursar.gateway.loops import CUTS_MAX, NAMES_MAX, LoopBreaker

SECOND = 1_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND


class Case(NamedTuple):
    name: str
    calls: int
    apart_s: float
    more: dict[str, object]
    sign: str  # "" for none
    passed: int  # calls before the cut


def cases() -> Iterator[Case]:
    for line in CASES.strip().splitlines():
        name, calls, apart, more, sign, passed = (cell.strip() for cell in line.split("|"))
        fields = dict(pair.split("=") for pair in more.split())
        yield Case(
            name, int(calls), float(apart), {k: _value(k, v) for k, v in fields.items()}, sign,
            int(passed) if passed != "all" else -1,
        )  # fmt: skip


def _value(name: str, text: str) -> object:
    if name == "cents":
        return None if text == "?" else int(float(text) * CENT)
    return int(text) if text.isdigit() and name != "session" else text


# what is sent | calls | seconds apart | each call | sign | let through before the cut
CASES = """
one request for five cents, over and over     | 400 | 40 | cents=5 | repeat | 6
the same, faster than anybody would           | 400 | 0.1 | cents=5 takes_us=50000 | repeat | 6
the same for half a cent                      | 400 | 10 | cents=0.5 | repeat | 60
the same, and nobody knows its price          | 400 | 10 | cents=? size=40000 | repeat | 20
the same, each time running into a time-out   | 100 | 61 | cents=8 outcome=timeout takes_us=60000000 | repeat | 6
the same, each time hung up on                | 100 | 40 | cents=6 outcome=aborted error=client_gone | repeat | 6
one request that is wrong, again and again    | 100 | 5 | cents=0 outcome=client_error status=400 | failing | 40
an answer cut off, asked for again            | 50 | 20 | cents=3 outcome=truncated | truncated | 4
a health check, every 30 s for a day          | 2880 | 30 | cents=0.004 |  | all
a health check that gets one token            | 2880 | 30 | cents=0.004 outcome=truncated size=150 |  | all
a health check of a model without a price     | 2880 | 30 | cents=? size=150 |  | all
a job that runs every ten minutes             | 500 | 600 | cents=5 |  | all
five samples, one after the other             | 5 | 3 | cents=5 |  | all
forty samples at once                         | 40 | 0 | cents=5 |  | all
one text embedded again and again             | 5000 | 0.1 | cents=0.1 operation=embeddings |  | all
tokens counted again and again                | 5000 | 0.1 | cents=0 operation=count_tokens |  | all
a provider that is overloaded for ten minutes | 120 | 5 | cents=0 outcome=provider_error status=529 error=busy |  | all
a provider that asks for patience             | 120 | 5 | cents=0 outcome=client_error status=429 error=wait |  | all
"""


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name.replace(" ", "-"))
def test_one_request_again(case: Case) -> None:
    more = dict(case.more)
    cost = more.pop("cents")
    played = play(
        Sent(int(number * case.apart_s * SECOND), cost_pico=cost, **more)  # type: ignore[arg-type]
        for number in range(case.calls)
    )
    assert (played.signs, played.before) == (({case.sign}, case.passed) if case.sign else (set(), -1))


def test_a_cut_says_what_was_seen_what_it_cost_until_when_and_how_to_lift_it() -> None:
    played = play(Sent(number * 40 * SECOND, cost_pico=5 * CENT) for number in range(7))
    (refusal,) = played.refusals
    assert refusal.message == (
        "cut as a loop: the same request came 6 times in 4 min 0 s, answered and sent again; it has cost "
        "$0.3 so far. This request is refused until 2025-10-09 10:57:20 UTC. Once the cause is mended, "
        f"`bursar loops lift {next(iter(played.breaker.cuts.values())).cut_id}` lets it through at once"
    )
    assert (refusal.status, refusal.retry, refusal.headers) == (429, False, {"retry-after": "7200"})


def test_what_has_no_price_is_said_and_not_taken_for_nothing() -> None:
    played = play(Sent(number * 10 * SECOND, cost_pico=None, size=40_000) for number in range(21))
    assert "what it has cost is not known: there is no price for it" in played.refusals[0].message
    mixed = play(Sent(number * 10 * SECOND, cost_pico=None if number % 2 else 10 * CENT) for number in range(12))
    assert "and 3 of the calls have no known price" in mixed.refusals[0].message


def test_another_key_with_the_same_request_is_not_cut() -> None:
    loop = [Sent(number * 10 * SECOND, cost_pico=5 * CENT) for number in range(20)]
    other = Sent(210 * SECOND, key="vk_2")
    played = play([*loop, other])
    assert played.refused == 14
    assert played.breaker.judge(facts_of(other), START_US + 220 * SECOND) is not None


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_a_loop_spread_over_workers_is_cut_as_soon_as_on_one(workers: int) -> None:
    played = play(
        (Sent(number * SECOND // 10, cost_pico=5 * CENT, takes_us=50_000) for number in range(400)),
        breakers_of(workers=workers),
    )
    assert played.passed == 6
    assert len({cut.cut_id for breaker in played.breakers for cut in breaker.cuts.values()}) == 1


def test_a_loop_that_goes_on_after_its_cut_is_cut_sooner_and_for_longer() -> None:
    played = play(Sent(number * 40 * SECOND, cost_pico=5 * CENT) for number in range(900))  # ten hours
    (cut,) = played.breaker.cuts.values()
    assert cut.strikes == 3
    assert cut.until_us - cut.since_us == 4 * 7200 * SECOND
    assert played.spent_pico == (6 + 1 + 1) * 5 * CENT


# A conversation that grows and always fails alike: how it grows, how it ends, who is in it.
GROWING = """
an agent that is wrong each time | grow=500 session=s-1 | outcome=client_error status=400 error=too_long | growing | 5
the same, and nobody named a session          | grow=500 | outcome=client_error status=400 error=too_long | growing | 10
each time the client hangs up                 | grow=500 session=s-1 | outcome=aborted error=client_gone | growing | 5
the provider is overloaded | grow=500 session=s-1 | outcome=provider_error status=529 error=busy |  | -1
a session that goes well                      | grow=500 session=s-1 | outcome=ok |  | -1
truncated and asked again, a little longer    | grow=1 session=s-1 | outcome=truncated | truncated | 5
a long answer, continued                      | grow=9000 session=s-1 | outcome=truncated | truncated | 30
"""


@pytest.mark.parametrize("line", GROWING.strip().splitlines(), ids=lambda line: line.split("|")[0].strip())
def test_a_conversation_that_gets_nowhere(line: str) -> None:
    _, how, ends, sign, passed = (cell.strip() for cell in line.split("|"))
    fields = dict(pair.split("=") for pair in (*how.split(), *ends.split()))
    grow = int(fields.pop("grow"))
    status = int(fields.pop("status", "200"))
    played = play(
        Sent(number * 10 * SECOND, str(number), size=4_000 + number * grow, status=status,
             cost_pico=2 * CENT if grow == 1 else CENT, **fields)  # type: ignore[arg-type]
        for number in range(60)
    )  # fmt: skip
    assert played.signs == ({sign} if sign else set())
    assert played.before == int(passed)


def test_a_good_answer_makes_all_failures_before_it_good() -> None:
    calls = [
        Sent(number * 10 * SECOND, str(number), size=1_000 + number, session="s-1",
             **({"outcome": "client_error", "status": 400, "error": "tool_use_failed"} if number % 4 else {}))  # type: ignore[arg-type]
        for number in range(100)
    ]  # fmt: skip
    assert play(calls).refused == 0


def test_a_storm_of_one_error_cuts_its_key_for_half_a_minute_and_no_other() -> None:
    def call(number: int, **more: object) -> Sent:
        return Sent(number * SECOND // 10, str(number), cost_pico=0, outcome="client_error", status=404,
                    error="model_not_found", takes_us=1000, **more)  # type: ignore[arg-type]  # fmt: skip

    played = play(call(number, size=4_000 - number) for number in range(1000))
    assert played.signs == {"storm"}
    assert played.first_cut_us == 20 * SECOND
    assert played.refusals[0].headers["retry-after"] == "30"
    mixed = play(
        call(number) if number % 10 else Sent(number * SECOND // 10, str(number), takes_us=1000)
        for number in range(1000)
    )
    assert mixed.refused == 0


@pytest.mark.parametrize(("scope", "floor"), [("key", 600), ("session", 120)])
def test_a_pace_out_of_all_proportion_is_cut_and_a_busy_day_is_not(scope: str, floor: int) -> None:
    session = "s-1" if scope == "session" else ""
    usual = [Sent(n * 60 * SECOND, str(n), session=session) for n in range(150)]  # one a minute, for 2.5 hours
    busy = [Sent(9000 * SECOND + n * 2 * SECOND, f"b{n}", session=session) for n in range(300)]  # 30 a minute
    sudden = [
        Sent(9600 * SECOND + n * SECOND // 40, f"s{n}", session=session, takes_us=1000) for n in range(2_000)
    ]  # 40 a second
    assert play([*usual, *busy]).refused == 0
    played = play([*usual, *busy, *sudden])
    assert played.signs == {"rate"}
    (cut,) = played.breaker.cuts.values()
    assert cut.scope == scope
    assert cut.calls >= max(floor, 300) - 1
    new = play(sudden)
    assert new.refused == 0, "a key that nobody knows has no usual pace"


def test_a_call_that_something_else_refuses_is_no_part_of_a_loop() -> None:
    (breaker,) = breakers_of()
    first = play([Sent(number * SECOND, cost_pico=5 * CENT, takes_us=1000) for number in range(4)], [breaker])
    for number in range(100):  # a budget refuses these
        marks = breaker.judge(facts_of(Sent(0)), START_US + (10 + number) * SECOND)
        assert marks is not None
        breaker.unsent(marks)
    again = play([Sent((120 + number) * SECOND, cost_pico=5 * CENT) for number in range(4)], [breaker])
    assert (first.refused, again.before) == (0, 2)


def test_cuts_of_long_ago_are_forgotten() -> None:
    played = play(Sent(number * SECOND, cost_pico=5 * CENT) for number in range(10))
    played.breaker.forget(START_US + 24 * HOUR)
    assert played.breaker.cuts
    played.breaker.forget(START_US + 27 * HOUR)
    assert not played.breaker.cuts


def test_retries_of_a_client_on_top_of_ours_are_counted() -> None:
    played = play(
        Sent(number * 10 * SECOND, cost_pico=0, outcome="provider_error", status=503, error="overloaded",
             attempts=3, client_retry=number)
        for number in range(3)
    )  # fmt: skip
    assert played.breaker.double_retries == 1
    once = play(Sent(number * 10 * SECOND, client_retry=number) for number in range(3))
    assert once.breaker.double_retries == 0


def test_what_is_exempt_is_never_judged() -> None:
    loop = [Sent(number * 10 * SECOND, cost_pico=5 * CENT, feature="evals") for number in range(50)]
    assert play(loop, breakers_of(Loops(exempt=["feature=evals"]))).refused == 0
    assert play(loop, breakers_of(Loops(exempt=["feature=other"]))).refused > 0
    assert play(loop, breakers_of(Loops(enabled=False))).refused == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("repeat_usd", "much"), ("repeats", 0), ("window_s", 0), ("exempt", ["evals"]), ("exempt", ["weather=fine"])],
)
def test_a_limit_that_would_cut_everything_or_nothing_is_refused_with_its_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(env={}, overrides={f"loops.{name}": value})
    assert refused.value.field == f"loops.{name}"


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.builds(
            Sent, st.integers(0, 10**11), st.text(max_size=3), st.integers(1, 10**8),
            st.sampled_from(["ok", "truncated", "client_error", "timeout", "aborted"]),
            st.sampled_from([0, 200, 400, 429, 529]), st.text(max_size=3), st.none() | st.integers(0, 10**13),
            st.integers(0, 10**7), st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.text(max_size=3),
        ),
        max_size=200,
    )
)  # fmt: skip
def test_no_traffic_breaks_the_breaker(calls: list[Sent]) -> None:
    played = play(sorted(calls, key=lambda sent: sent.at_us))
    assert played.passed + played.refused == len(calls)


def test_memory_is_bounded_whatever_keys_requests_and_sessions_come() -> None:
    breaker = LoopBreaker(Loops(repeats=1, repeat_usd="0", growing=1))
    size = breaker.tables.cells.nbytes
    for number in range(40_000):
        sent = Sent(number, str(number // 3), session=f"s{number}", key=f"vk_{number // 5}", model=f"m{number}",
                    outcome="client_error", status=400, error=f"e{number % 50_000}")  # fmt: skip
        facts = facts_of(sent)
        try:
            marks = breaker.judge(facts, START_US + number)
        except LoopCut:
            continue
        assert marks is not None
        breaker.ended(marks, facts, sent.outcome, 400, sent.error, 0, 1, True, START_US + number)
    assert breaker.tables.cells.nbytes == size == BYTES
    assert len(breaker.cuts) == CUTS_MAX
    assert len(breaker.paces.newer) + len(breaker.paces.older) <= PACES_MAX
    assert len(breaker._names) <= NAMES_MAX


def looped(directory, slot=0, workers=2, tables=None) -> tuple[LoopBreaker, LoopWatch, Played]:
    breaker = LoopBreaker(Loops(), tables or open_tables(directory))
    watch = LoopWatch(breaker, directory, slot, workers)
    watch.begin(START_US)
    played = play((Sent(number * SECOND, cost_pico=5 * CENT) for number in range(10)), [breaker])
    watch.look(START_US + 11 * SECOND)
    return breaker, watch, played


def test_a_cut_reaches_the_other_workers_and_is_lifted_in_all_of_them(tmp_path) -> None:
    _, first, played = looped(tmp_path)
    other = LoopBreaker(Loops(), Tables())  # its own memory: it can know of the cut from the file alone
    second = LoopWatch(other, tmp_path, 1, 2)
    second.begin(START_US + 12 * SECOND)
    again = facts_of(Sent(0))
    with pytest.raises(LoopCut):
        other.judge(again, START_US + 13 * SECOND)
    second.look(START_US + 14 * SECOND)
    (listed,) = list_cuts(tmp_path, START_US + 14 * SECOND)
    assert (listed.state, listed.refused) == ("cut", played.refused + 1)

    from bursar.gateway.loop_cuts import lift_cut  # here: the test reads top to bottom

    lift_cut(tmp_path, listed.cut.cut_id, actor="test", now_us=START_US + 15 * SECOND)
    for watch in (first, second):
        watch.look(START_US + 16 * SECOND)
        assert watch.breaker.judge(again, START_US + 16 * SECOND) is not None
    (told,) = list_cuts(tmp_path, START_US + 17 * SECOND)
    assert (told.state, told.lifted_by) == ("lifted", "test")


@pytest.mark.parametrize("slot", [0, 5])
def test_a_cut_outlives_its_worker_and_how_many_workers_there_were(tmp_path, slot: int) -> None:
    _, _, played = looped(tmp_path, slot)
    fresh = LoopBreaker(Loops(), Tables())
    LoopWatch(fresh, tmp_path, 0, 1).begin(START_US + 20 * SECOND)
    (listed,) = list_cuts(tmp_path, START_US + 20 * SECOND)
    assert listed.refused == played.refused
    with pytest.raises(LoopCut):
        fresh.judge(facts_of(Sent(0)), START_US + 21 * SECOND)


def test_a_lift_of_long_ago_does_not_let_a_new_cut_go(tmp_path) -> None:
    breaker, _, _ = looped(tmp_path)
    (cut,) = breaker.cuts.values()
    breaker.lift([Lift(cut, cut.since_us - 1, "test")])
    assert breaker.cuts


def test_without_room_on_the_disk_a_worker_counts_for_itself(tmp_path) -> None:
    tables = open_tables(tmp_path / "there" / "is" / "no" / "such" / "directory")
    assert tables.cells.nbytes == BYTES

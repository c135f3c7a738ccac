"""What retries cost in an hour stays below its cap, whatever the workers, values and ends."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.scope import RETRY_SCOPES, Scope
from bursar.domain.tags import Attribution
from bursar.gateway.retry_cap import HOUR_US, VALUES_MAX, RetryCap
from bursar.spool.records import CallFacts

SCOPE = Scope("acme", "search", "web")


def facts(customer: str = "c", scope: Scope = SCOPE) -> CallFacts:
    said = Attribution(feature="f", customer=customer, session="s", agent="a")
    return CallFacts("id", 0, "d", "chat", scope, "vk_1", "virtual", "m", False, 9, "", said)


@given(
    st.integers(1, 8),
    st.integers(0, 1_000),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 90), st.integers(0, 100), st.booleans()), max_size=200),
)
def test_workers_together_never_pass_the_cap(workers: int, cap: int, steps: list[tuple[int, int, int, bool]]) -> None:
    caps = [RetryCap(cap, "organization", workers) for _ in range(workers)]
    held = 0
    for worker, bound, percent, ends in steps:
        mine = caps[worker % workers]
        hold = mine.begin(facts(), bound, 5)
        if hold is None:
            continue
        held += bound
        assert held <= cap
        if ends:
            cost = bound * percent // 100
            mine.end(hold, cost)
            held += cost - bound


def test_a_new_hour_begins_anew_and_an_old_retry_s_end_doesn_t_touch_it() -> None:
    cap = RetryCap(100, "organization", 1)
    old = cap.begin(facts(), 90, 5)
    assert old is not None
    assert cap.begin(facts(), 20, 6) is None
    assert cap.begin(facts(), 60, HOUR_US) is not None
    cap.end(old, 0)
    assert cap.begin(facts(), 60, HOUR_US + 1) is None
    assert cap.refused == 2


def test_each_value_has_the_cap_and_a_flood_of_values_shares_one() -> None:
    cap = RetryCap(100, "customer", 1)
    assert all(cap.begin(facts(f"c{number}"), 100, 5) for number in range(VALUES_MAX))
    assert cap.begin(facts("c0"), 1, 5) is None
    assert cap.begin(facts("more"), 60, 5) is not None
    assert cap.begin(facts("still more"), 60, 5) is None


def test_what_has_no_price_is_capped_by_number_alone() -> None:
    assert RetryCap(0, "organization", 1).begin(facts(), None, 5) is not None
    assert RetryCap(0, "organization", 1).begin(facts(), 1, 5) is None


def test_every_scope_of_the_setting_can_be_counted_by() -> None:
    for scope in RETRY_SCOPES:
        hold = RetryCap(100, scope, 1).begin(facts(), 1, 5)
        assert hold is not None
        assert hold.value

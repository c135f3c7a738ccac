"""When two requests are the same: never across tenants, and only where the provider would read the same."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.cache.key import (
    DIGEST_BYTES,
    LABELS,
    SPACE_BYTES,
    key_of,
    meaning_of,
    provider_headers,
    space_of,
    tenant_of,
)
from bursar.domain.caching import Share
from bursar.domain.scope import Scope

SECRET = b"s" * 32
SPACE = space_of(SECRET, "ca_one", 0)
SHARES: tuple[Share, ...] = ("credential", "project", "team", "organization")
KEYS = (("vk_1", "virtual"), ("vk_2", "virtual"), ("pt_1", "passthrough"), ("pt_2", "passthrough"))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_no_key_is_anothers_in_ten_thousand_random_trials():
    """Random callers with one body: their keys are equal exactly if they are one tenant by the rule."""
    rng = random.Random(7)
    organizations, teams, projects = ("o1", "o2"), ("", "core", "growth"), ("", "shop")
    for _ in range(10_000):
        share = rng.choice(SHARES)
        callers = [
            (
                Scope(rng.choice(organizations), rng.choice(teams), rng.choice(projects)),
                *rng.choice(KEYS),
            )
            for _ in range(2)
        ]
        one, other = (key_of(SECRET, SPACE, tenant_of(share, *caller), b"body") for caller in callers)
        (scope, key, kind), (other_scope, other_key, other_kind) = callers
        places = {"project": 3, "team": 2, "organization": 1}.get(share, 0)
        if share == "credential" or "passthrough" in (kind, other_kind):
            may = key == other_key
        else:
            mine, others = msgspec.structs.astuple(scope)[:places], msgspec.structs.astuple(other_scope)[:places]
            is_placed = bool(mine[-1]) and bool(others[-1])
            may = mine == others if is_placed else key == other_key and not mine[-1] and not others[-1]
        assert (one == other) == may, (share, callers)


def test_who_can_not_be_told_from_others_shares_with_nobody():
    assert tenant_of("organization", Scope("o"), "", "none") == ""
    assert tenant_of("credential", Scope("o"), "anyone", "none") == ""


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_no_part_runs_into_the_next(one: list[bytes], other: list[bytes]):
    keys = key_of(SECRET, SPACE, "t", *one), key_of(SECRET, SPACE, "t", *other)
    assert (keys[0] == keys[1]) == (one == other)
    assert len(keys[0]) == SPACE_BYTES + DIGEST_BYTES
    assert key_of(b"another", SPACE, "t", *one) != keys[0]


@given(st.dictionaries(st.text(), JSON, max_size=6), st.randoms(use_true_random=False))
def test_order_and_white_space_say_nothing_and_every_value_does(fields: dict[str, Any], rng: random.Random):
    shuffled = list(fields.items())
    rng.shuffle(shuffled)
    plain = meaning_of(json.dumps(fields).encode())
    assert meaning_of(json.dumps(dict(shuffled), indent=2).encode()) == plain
    assert meaning_of(json.dumps({**fields, "user": "x", "metadata": {"a": 1}}).encode()) == meaning_of(
        json.dumps({name: value for name, value in fields.items() if name not in LABELS}).encode()
    )
    assert json.loads(plain) == {name: value for name, value in fields.items() if name not in LABELS}
    changed = {**fields, "temperature": "another"}
    assert meaning_of(json.dumps(changed).encode()) != plain or fields.get("temperature") == "another"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (  # the order in a schema is the order in which the answer is written: thoughts before a verdict, or after it
            b'{"response_format":{"json_schema":{"schema":{"properties":{"why":{},"verdict":{}}}}}}',
            b'{"response_format":{"json_schema":{"schema":{"properties":{"verdict":{},"why":{}}}}}}',
        ),
        (b'{"messages":[{"content":"A","content":"B"}]}', b'{"messages":[{"content":"B"}]}'),
        (b'{"messages":[{"content":"a b"}]}', b'{"messages":[{"content":"ab"}]}'),
        (b'{"seed":18446744073709551617}', b'{"seed":18446744073709551618}'),
        (b'{"temperature":0.1}', b'{"temperature":0.10000000000000001}'),
        (b'{"messages":[{"content":"\xff"}]}', b'{"messages":[{"content":"\xfe"}]}'),
    ],
    ids=["a schema's order", "a field twice, within", "space in a text", "large numbers", "digits", "no UTF-8"],
)
def test_what_a_model_or_a_parser_may_read_otherwise_is_another_request(one: bytes, other: bytes):
    assert meaning_of(one) != meaning_of(other)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b'{"a":1}x'])
def test_what_is_no_object_has_no_meaning(body: bytes):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        meaning_of(body)


def test_headers_that_a_provider_reads_are_part_of_it_and_secrets_are_not():
    beta = b"anthropic-beta"
    headers = [(b"x-goog-api-key", b"secret"), (b"user-agent", b"x"), (beta, b"b"), (beta, b"a")]
    assert provider_headers(headers) == b"anthropic-beta: a\nanthropic-beta: b" == provider_headers(headers[::-1])


def test_headers_that_the_operator_passes_on_are_part_of_it():
    """What they do at the other end isn't known: another gateway may read from them whom to ask."""
    headers = [(b"x-team-prompt", b"pirate"), (b"x-openrouter-preset", b"cheap"), (b"x-else", b"1")]
    assert provider_headers(headers, ["X-Team-Prompt"]) == b"x-openrouter-preset: cheap\nx-team-prompt: pirate"
    assert provider_headers(headers) == b"x-openrouter-preset: cheap"


def test_each_rule_keeps_in_a_space_of_its_own_and_in_a_new_one_when_it_is_cleared():
    spaces = {space_of(SECRET, rule, cleared) for rule in ("ca_one", "ca_two") for cleared in (0, 1, 2)}
    assert len(spaces) == 6
    assert {len(space) for space in spaces} == {SPACE_BYTES}
    assert space_of(b"another", "ca_one", 0) not in spaces
    assert space_of(SECRET, "ca_one", 1) == space_of(SECRET, "ca_one", 1)
    assert key_of(SECRET, space_of(SECRET, "ca_one", 0), "t", b"x") != key_of(
        SECRET, space_of(SECRET, "ca_one", 1), "t", b"x"
    )

"""Who calls: a key is found in any carrier, known by its keyed hash, and goes to no header but the upstream's own."""

import pytest

from bursar.domain.errors import KeyRevoked, Unauthenticated
from bursar.domain.hashing import keyed_hash
from bursar.domain.scope import Scope
from bursar.domain.snapshot import KeyFacts, Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.forward import write_head
from bursar.gateway.identify import BEARER_CARRIERS, PLAIN_CARRIERS, identify, split_query
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.upstream import PoolLimits

SECRET = b"s" * 32
VIRTUAL = b"sk-bursar-" + b"v" * 43
REVOKED = b"sk-bursar-" + b"r" * 43
SNAPSHOT = Snapshot(
    1,
    {
        keyed_hash(SECRET, VIRTUAL): KeyFacts("vk_1", "ci", Scope("acme", "core"), Attribution(team="core")),
        keyed_hash(SECRET, REVOKED): KeyFacts("vk_2", "old", Scope("acme"), Attribution(), revoked=True),
    },
)


@pytest.mark.parametrize("carrier", sorted(BEARER_CARRIERS | PLAIN_CARRIERS))
def test_a_virtual_key_is_found_in_every_carrier(carrier: bytes) -> None:
    value = b"Bearer " + VIRTUAL if carrier in BEARER_CARRIERS else VIRTUAL
    credential = identify([(b"host", b"x"), (carrier, value)], SNAPSHOT, SECRET, "acme")
    assert (credential.id, credential.kind, credential.client_secret) == ("vk_1", "virtual", b"")
    assert credential.defaults.team == "core"


def test_a_provider_key_is_passed_through_and_known_by_its_hash_alone() -> None:
    one = identify([(b"authorization", b"Bearer sk-proj-abc")], SNAPSHOT, SECRET, "acme")
    same = identify([(b"x-api-key", b"sk-proj-abc")], SNAPSHOT, SECRET, "acme")
    other = identify([(b"authorization", b"bearer sk-proj-abd")], SNAPSHOT, SECRET, "acme")
    assert one.kind == "passthrough"
    assert one.id == same.id != other.id
    assert "abc" not in one.id
    assert one.id.startswith("pt_")


def test_a_virtual_key_may_travel_beside_the_clients_own_provider_key() -> None:
    headers = [(b"x-bursar-key", VIRTUAL), (b"authorization", b"Bearer sk-own")]
    credential = identify(headers, SNAPSHOT, SECRET, "acme")
    assert (credential.id, credential.client_secret) == ("vk_1", b"sk-own")
    alone = identify(headers[1:], SNAPSHOT, SECRET, "acme")
    assert credential.own_key == alone.own_key == alone.id  # the same key to its provider, wherever it came
    assert identify(headers[:1], SNAPSHOT, SECRET, "acme").own_key == ""


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], Unauthenticated),
        ([(b"authorization", b"Bearer ")], Unauthenticated),
        ([(b"authorization", b"Basic dXNlcjpwYXNz")], Unauthenticated),
        ([(b"x-litellm-api-key", b"sk-1234")], Unauthenticated),  # another gateway's key is no provider key
        ([(b"authorization", b"Bearer sk-bursar-nobody")], Unauthenticated),
        ([(b"authorization", b"Bearer " + REVOKED)], KeyRevoked),
        ([(b"authorization", b"Bearer " + b"k" * 5000)], Unauthenticated),
    ],
)
def test_no_usable_key_is_refused(headers: list[tuple[bytes, bytes]], error: type[Exception]) -> None:
    with pytest.raises(error):
        identify(headers, SNAPSHOT, SECRET, "acme")


def test_an_unknown_virtual_key_is_never_passed_through_as_a_providers() -> None:
    with pytest.raises(Unauthenticated, match="…body"):
        identify([(b"x-api-key", b"sk-bursar-nobody")], SNAPSHOT, SECRET, "acme")


def route(family: str, **settings: object) -> Route:
    upstream = UpstreamSettings("up", "https://api.example.test/base/v1", family, "up", **settings)  # type: ignore[arg-type]
    return Route(upstream, b"operator-key", PoolLimits(), Outbox())


@pytest.mark.parametrize(
    ("family", "headers", "line"),
    [
        ("openai", [(b"authorization", b"Bearer own")], b"authorization: Bearer own\r\n"),
        ("openai", [(b"api-key", b"own")], b"authorization: Bearer own\r\n"),
        ("anthropic", [(b"x-api-key", b"own")], b"x-api-key: own\r\n"),
        ("anthropic", [(b"authorization", b"Bearer own")], b"authorization: Bearer own\r\n"),
        ("openai", [(b"authorization", b"Bearer " + VIRTUAL)], b"authorization: Bearer operator-key\r\n"),
        ("anthropic", [(b"x-api-key", VIRTUAL)], b"x-api-key: operator-key\r\n"),
        ("gemini", [(b"x-goog-api-key", VIRTUAL)], b"x-goog-api-key: operator-key\r\n"),
        ("gemini", [(b"x-goog-api-key", b"own")], b"x-goog-api-key: own\r\n"),
        ("gemini", [(b"x-api-key", b"own")], b"x-goog-api-key: own\r\n"),
        ("gemini", [(b"authorization", b"Bearer own")], b"authorization: Bearer own\r\n"),
        ("vertex", [(b"authorization", b"Bearer " + VIRTUAL)], b"authorization: Bearer operator-key\r\n"),
        ("vertex", [(b"authorization", b"Bearer own")], b"authorization: Bearer own\r\n"),
        ("bedrock", [(b"authorization", b"Bearer own")], b"authorization: Bearer own\r\n"),
        ("bedrock", [(b"x-api-key", b"own")], b"authorization: Bearer own\r\n"),
    ],
)
def test_the_upstream_gets_one_credential_in_its_own_header(
    family: str, headers: list[tuple[bytes, bytes]], line: bytes
) -> None:
    credential = identify(headers, SNAPSHOT, SECRET, "acme")
    head = write_head(route(family), "POST", "/v1/x", b"", headers, credential)
    assert head.count(line) == 1
    assert head.count(b"own\r\n") + head.count(b"operator-key\r\n") == 1
    assert VIRTUAL not in head


def test_a_path_with_line_breaks_in_it_stays_one_line() -> None:
    credential = identify([(b"authorization", b"Bearer own")], SNAPSHOT, SECRET, "acme")
    head = write_head(route("openai"), "GET", "/v1/models/a\r\nx-evil: 1/é", b"beta=true", [], credential)
    assert head.split(b"\r\n")[0] == b"GET /base/v1/models/a%0D%0Ax-evil:%201/%C3%A9?beta=true HTTP/1.1"
    assert b"\nx-evil" not in head


def test_only_allowed_headers_go_out_byte_for_byte() -> None:
    headers = [
        (b"authorization", b"Bearer own"),
        (b"content-type", b"application/json"),
        (b"anthropic-beta", b"a,b; \xff"),
        (b"x-stainless-lang", b"python"),
        (b"cookie", b"session=secret"),
        (b"x-bf-vk", b"sk-bf-secret"),
        (b"x-bursar-tags", b"feature=x"),
        (b"accept-encoding", b"gzip"),
        (b"expect", b"100-continue"),
        (b"x-portkey-custom-host", b"http://evil.test"),
        (b"connection", b"keep-alive"),
        (b"content-length", b"12"),
        (b"x-extra", b"1"),
    ]
    credential = identify(headers, SNAPSHOT, SECRET, "acme")
    head = write_head(
        route("openai", forward_headers=["X-Extra", "Authorization"]), "POST", "/v1/x", b"a=%20", headers, credential
    )
    assert head.split(b"\r\n") == [
        b"POST /base/v1/x?a=%20 HTTP/1.1",
        b"host: api.example.test",
        b"content-type: application/json",
        b"anthropic-beta: a,b; \xff",
        b"x-stainless-lang: python",
        b"x-extra: 1",
        b"authorization: Bearer own",
        b"",
    ]


@pytest.mark.parametrize(
    ("query", "kept", "kind", "line"),
    [
        (b"key=own", b"", "passthrough", b"x-goog-api-key: own\r\n"),
        (b"alt=sse&key=own&x=%20", b"alt=sse&x=%20", "passthrough", b"x-goog-api-key: own\r\n"),
        (b"key=" + VIRTUAL + b"&alt=sse", b"alt=sse", "virtual", b"x-goog-api-key: operator-key\r\n"),
        (b"%6bey=" + VIRTUAL, b"", "virtual", b"x-goog-api-key: operator-key\r\n"),
        (b"key=own&key=" + VIRTUAL, b"", "passthrough", b"x-goog-api-key: own\r\n"),
    ],
)
def test_a_key_in_the_query_counts_and_goes_no_further(query: bytes, kept: bytes, kind: str, line: bytes) -> None:
    rest, key = split_query(query)
    assert rest == kept
    credential = identify([], SNAPSHOT, SECRET, "acme", key)
    assert credential.kind == kind
    head = write_head(route("gemini"), "POST", "/v1beta/x", rest, [], credential)
    assert line in head
    assert VIRTUAL not in head
    assert b"key=" not in head


def test_a_key_in_the_query_yields_to_a_header_and_adds_no_line() -> None:
    headers = [(b"x-goog-api-key", b"own")]
    assert identify(headers, SNAPSHOT, SECRET, "acme", b"other").client_secret == b"own"
    assert identify(headers, SNAPSHOT, SECRET, "acme", VIRTUAL).kind == "virtual"
    with pytest.raises(Unauthenticated):
        split_query(b"key=a%0d%0ax-evil:1")

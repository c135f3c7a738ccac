"""Whose call is this: a Bursar virtual key, or the client's own provider key passed through.

A pass-through key is known by its keyed hash and never stored. A key can come in any carrier that another gateway
taught clients to use (reference: docs/attribution.md); none of them is ever forwarded by name, only the one credential
that the chosen upstream needs, in that upstream's own header.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from bursar.domain.errors import KeyRevoked, Unauthenticated
from bursar.domain.hashing import keyed_hash
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution

VIRTUAL_PREFIX = b"sk-bursar-"
KEY_BYTES_MAX = 4096

BEARER_CARRIERS = frozenset({b"authorization", b"helicone-auth", b"cf-aig-authorization"})
PLAIN_CARRIERS = frozenset(
    {
        b"x-bursar-key",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-litellm-api-key",
        b"x-portkey-api-key",
        b"x-bf-vk",
        b"otari-key",
    }
)
_SIGNED = re.compile(rb"AWS4-HMAC-SHA256 +Credential=([^/,\s]+)/")

PROVIDER_CARRIERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
"""Where a client's own provider key may stand; the others can only carry a gateway's key."""


class Credential(NamedTuple):
    """Who calls, and what the upstream will be shown.

    client_header, client_secret: the client's own provider key and the header it came in; b"" when it brought none
    (a virtual key: the operator's key is used). own_key: the id of that key, alone or beside a Bursar key; "": none.
    """

    id: str
    kind: Literal["virtual", "passthrough"]
    scope: Scope
    defaults: Attribution
    client_header: bytes
    client_secret: bytes
    own_key: str = ""


def identify(
    headers: list[tuple[bytes, bytes]], snapshot: Snapshot, secret: bytes, organization: str, query_key: bytes = b""
) -> Credential:
    """Find the key in the headers and say who it is.

    query_key: Google's `?key=`, which counts where no header has a key. It goes on as a header, never in an address.

    Raises Unauthenticated when there is no key or a virtual one that nobody made, KeyRevoked when it was revoked.
    """
    virtual = own_header = own_secret = b""
    for name, value in headers:
        if name in BEARER_CARRIERS:
            key = _bearer(value)
        elif name in PLAIN_CARRIERS:
            key = value.strip()
        else:
            continue
        if key.startswith(VIRTUAL_PREFIX):
            virtual = virtual or key
        elif key and name in PROVIDER_CARRIERS and not own_secret:
            own_header, own_secret = name, key
    if query_key.startswith(VIRTUAL_PREFIX):
        virtual = virtual or query_key
    elif query_key and not own_secret:
        own_header, own_secret = b"x-goog-api-key", query_key
    if len(virtual) > KEY_BYTES_MAX or len(own_secret) > KEY_BYTES_MAX:
        raise Unauthenticated(f"a key longer than {KEY_BYTES_MAX} bytes is not a key", field="authorization")
    if virtual:
        return _virtual(virtual, own_header, own_secret, snapshot, secret)
    if own_secret:
        own_key = _own_key_id(secret, own_secret)
        return Credential(own_key, "passthrough", Scope(organization), Attribution(), own_header, own_secret, own_key)
    if any(name == b"authorization" and _SIGNED.match(value) for name, value in headers):
        raise Unauthenticated(
            "a signature of AWS's holds for AWS's own address and can't be passed on: send a Bursar key "
            "(AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or the header x-bursar-key), or a Bedrock API key",
            field="authorization",
        )
    raise Unauthenticated(
        "no key: send your provider's key, or a Bursar key (`bursar keys create NAME`), "
        "as `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`",
        field="authorization",
    )


def split_query(query: bytes) -> tuple[bytes, bytes]:
    """(the query without Google's `key`, that key): what a client's address may say of its key goes no further.

    >>> split_query(b"alt=sse&key=AIza%2D1"), split_query(b"beta=true"), split_query(b"")
    ((b'alt=sse', b'AIza-1'), (b'beta=true', b''), (b'', b''))
    """
    if b"key" not in query and b"%" not in query:
        return query, b""
    kept, key = [], b""
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if unquote_to_bytes(name) == b"key":
            key = key or unquote_to_bytes(value).strip()
        else:
            kept.append(part)
    if any(byte <= 0x20 or byte == 0x7F for byte in key):  # it would be a header's value: no line ends, no spaces
        raise Unauthenticated("the key in the query is no key", field="key")
    return b"&".join(kept), key


def _bearer(value: bytes) -> bytes:
    """The key in an `authorization`; of AWS's signature the id that signed, in which a Bursar key may stand."""
    if signed := _SIGNED.match(value):
        return signed[1] if signed[1].startswith(VIRTUAL_PREFIX) else b""
    if value[:7].lower() == b"bearer ":
        return value[7:].strip()
    return b"" if b" " in value.strip() else value.strip()


def _virtual(key: bytes, own_header: bytes, own_secret: bytes, snapshot: Snapshot, secret: bytes) -> Credential:
    facts = snapshot.keys.get(keyed_hash(secret, key))
    last4 = key[-4:].decode("ascii", "replace")
    if facts is None:
        raise Unauthenticated(f"Bursar key …{last4} is not known here (`bursar keys list`)", field="authorization")
    if facts.revoked:
        raise KeyRevoked(f"Bursar key …{last4} ({facts.name}) was revoked", field="authorization")
    own_key = _own_key_id(secret, own_secret) if own_secret else ""
    return Credential(facts.credential_id, "virtual", facts.scope, facts.defaults, own_header, own_secret, own_key)


def _own_key_id(secret: bytes, own_secret: bytes) -> str:
    return "pt_" + keyed_hash(secret, own_secret)[:20]


def kind_of_key(credential: Credential) -> Literal["virtual", "passthrough"]:
    """Whose key a provider is shown: a caller's own may come beside a Bursar key, and is another account then."""
    return "passthrough" if credential.client_secret else credential.kind

"""AWS Signature Version 4, of the request heads that Bursar writes. Pure.

Signed are the host, the content's type and all `x-amz-…` headers; what a proxy may change on the way is not.
Source: AWS's public guide "Create a signed AWS API request"; tests/gateway/test_sigv4.py has its published vectors.
"""

import hmac
import os
import re
from collections.abc import Mapping
from datetime import UTC
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

import msgspec

from bursar.domain.clock import datetime_from_us

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "bedrock"
ID_VARIABLE = "ACCESS_KEY_ID"

_UNRESERVED = "-_.~"
_SPACES = re.compile(rb" +")
_CREDENTIAL = b"\r\nauthorization: "
_DATE = b"\0"  # where the date goes: no header can hold it
_HEADS_MAX = 256


class Prepared(NamedTuple):
    """All of a canonical request that its head decides: what stands before the date and behind it, up to the body."""

    names: str
    before: bytes
    behind: bytes


class AwsKeys(msgspec.Struct, frozen=True):
    """One identity at AWS. Never part of any text."""

    access_key_id: str
    secret: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key_id})"


def keys_from(id_variable: str, env: Mapping[str, str] = os.environ) -> AwsKeys | None:
    """The keys whose id that variable holds; None where id or secret is missing.

    The other two stand beside it: `PROD_AWS_ACCESS_KEY_ID`, `PROD_AWS_SECRET_ACCESS_KEY`, `PROD_AWS_SESSION_TOKEN`.
    """
    token = id_variable.removesuffix(ID_VARIABLE) + "SESSION_TOKEN"
    keys = AwsKeys(env.get(id_variable, ""), env.get(secret_variable(id_variable), ""), env.get(token, ""))
    return keys if keys.access_key_id and keys.secret else None


def secret_variable(id_variable: str) -> str:
    """Where the secret stands that belongs to an id."""
    return id_variable.removesuffix(ID_VARIABLE) + "SECRET_ACCESS_KEY"


class Signer:
    """Signs for one identity and one region. The key of a day is made once."""

    def __init__(self, keys: AwsKeys, region: str, service: str = SERVICE) -> None:
        self._keys = keys
        self._token_line = f"x-amz-security-token: {keys.session_token}\r\n" if keys.session_token else ""
        self._region = region
        self._service = service
        self._day = ""
        self._day_key = b""
        self._second = -1
        self._stamp = ""
        self._heads: dict[bytes, Prepared] = {}

    def sign(self, head: bytes, body: bytes, at_us: int) -> bytes:
        """The head with AWS's date, token and signature behind its other headers.

        head: request line and headers, each with its line end, without the blank line. One that has a credential
        already, the client's own, stays as it is.
        """
        if _CREDENTIAL in head:
            return head
        stamp = self._stamp_of(at_us // 1_000_000)
        prepared = self._heads.get(head) or self._prepare(head)
        digest = sha256(body).hexdigest().encode()
        canonical = b"".join((prepared.before, stamp.encode(), prepared.behind, digest))
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical).hexdigest()}"
        signature = hmac.digest(self._key_of(stamp[:8]), to_sign.encode(), "sha256").hex()
        credential = f"{self._keys.access_key_id}/{scope}"
        return (
            head
            + (
                f"x-amz-date: {stamp}\r\n{self._token_line}authorization: {ALGORITHM} Credential={credential}, "
                f"SignedHeaders={prepared.names}, Signature={signature}\r\n"
            ).encode()
        )

    def _prepare(self, head: bytes) -> Prepared:
        """What is the same for each call with this head. Heads are few: one for each client, model and operation."""
        names, canonical = canonical_request(head + b"x-amz-date: " + _DATE + b"\r\n" + self._token_line.encode())
        before, _, behind = canonical.partition(_DATE)
        if len(self._heads) >= _HEADS_MAX:
            self._heads.clear()
        prepared = self._heads[head] = Prepared(names, before, behind)
        return prepared

    def _stamp_of(self, second: int) -> str:
        if second != self._second:
            self._second = second
            self._stamp = datetime_from_us(second * 1_000_000).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return self._stamp

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = b"AWS4" + self._keys.secret.encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._day_key = day, key
        return self._day_key


def canonical_request(head: bytes) -> tuple[str, bytes]:
    """(names of the signed headers, the request in the form that is signed, but for its body's hash at the end)."""
    line, *lines = head.split(b"\r\n")
    method, _, rest = line.partition(b" ")
    target = rest.rpartition(b" ")[0]
    path, _, query = target.partition(b"?")
    headers: dict[bytes, list[bytes]] = {}
    for one in lines:
        name, colon, value = one.partition(b":")
        name = name.lower()
        if colon and (name in (b"host", b"content-type") or name.startswith(b"x-amz-")):
            headers.setdefault(name, []).append(_SPACES.sub(b" ", value.strip()))
    names = b";".join(sorted(headers))
    signed = b"".join(b"%b:%b\n" % (name, b",".join(headers[name])) for name in sorted(headers))
    canonical = b"\n".join((method, _encoded(path, "/").encode(), _canonical_query(query), signed, names, b""))
    return names.decode(), canonical


def _canonical_query(query: bytes) -> bytes:
    pairs = []
    for part in filter(None, query.split(b"&")):
        name, _, value = part.partition(b"=")
        pairs.append((_encoded(unquote_to_bytes(name)), _encoded(unquote_to_bytes(value))))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


def _encoded(text: bytes, also: str = "") -> str:
    """A path is escaped once more than it is written: AWS asks for that everywhere but at S3."""
    return quote(text, safe=_UNRESERVED + also)

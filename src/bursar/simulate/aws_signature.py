"""Checks AWS Signature Version 4 as AWS would, from the request as it came. Shares no code with what signs.

The secret that belongs to an access key id is `secret-of-ID` here. Source: AWS's public guide "Create a signed AWS API
request": canonical request, string to sign, signing key.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote

from bursar.simulate.http import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request), SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def secret_of(access_key_id: str) -> str:
    return f"secret-of-{access_key_id}"


def signed_by(request: Request) -> str:
    """The access key id of a signed request; "" for one that isn't signed."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    return found["id"] if found else ""


def fault_of(request: Request) -> str:
    """What is wrong with a signature; "" where it is right."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        return "the authorization header is not of AWS4-HMAC-SHA256"
    stamp = request.headers.get("x-amz-date", "")
    names = found["names"].split(";")
    if not stamp.startswith(found["day"]):
        return "the date of the credential's scope is not that of x-amz-date"
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in names]
    if unsigned or "host" not in names:
        return f"these must be signed: host, {', '.join(unsigned)}"
    lines = [
        request.method,
        quote(request.path, safe="/-_.~"),
        "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in sorted(parse_qsl(request.query, keep_blank_values=True))
        ),
        *[f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names],
        "",
        found["names"],
        hashlib.sha256(request.body).hexdigest(),
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, found["scope"], digest))
    key = f"AWS4{secret_of(found['id'])}".encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    right = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return "" if hmac.compare_digest(right, found["signature"]) else "the signature does not match"

"""Signatures equal those of AWS's published test suite, and botocore's for what Bedrock's paths look like.

Source of the vectors: the AWS Signature Version 4 test suite as awslabs/aws-c-auth publishes it (Apache-2.0),
tests/aws-signing-test-suite/v4, `header-signed-request.txt`; those whose signed headers Bursar signs too.
"""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import Unauthenticated
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.envelope import Envelopes
from bursar.gateway.forward import write_head
from bursar.gateway.heads import Head
from bursar.gateway.identify import Credential, identify
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.sigv4 import AwsKeys, Signer, keys_from
from bursar.gateway.upstream import PoolLimits

EXAMPLE = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT_US = us_from_datetime(datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"  # the suite's own
OPERATOR = Credential("k", "virtual", Scope("acme"), Attribution(), b"", b"")

VECTORS = """
GET / 5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
POST / 5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b
GET /?Param2=value2&Param1=value1 b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500
GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1 371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac
GET /?ሴ=bar 2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04
GET /ሴ 8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85
GET /example space/ 652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741
GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \
07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f
"""


def signature_of(head: bytes) -> str:
    return head.decode().rstrip().rpartition("Signature=")[2]


@pytest.mark.parametrize("line", VECTORS.replace("\\\n", "").strip().splitlines())
def test_aws_published_vectors_hold(line: str):
    method, _, rest = line.partition(" ")
    target, _, wanted = rest.rpartition(" ")
    head = f"{method} {target} HTTP/1.1\r\nhost: example.amazonaws.com\r\n".encode()
    signed = Signer(EXAMPLE, "us-east-1", "service").sign(head, b"", AT_US)
    assert signed.startswith(head)
    assert b"SignedHeaders=host;x-amz-date, " in signed
    assert signature_of(signed) == wanted


def test_aws_published_vector_with_a_session_token_holds():
    keys = AwsKeys(EXAMPLE.access_key_id, EXAMPLE.secret, TOKEN)
    head = b"GET / HTTP/1.1\r\nhost: example.amazonaws.com\r\n"
    signed = Signer(keys, "us-east-1", "service").sign(head, b"", AT_US)
    assert b"SignedHeaders=host;x-amz-date;x-amz-security-token, " in signed
    assert signature_of(signed) == "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"


def bedrock(monkeypatch: pytest.MonkeyPatch, **settings: object) -> Route:
    monkeypatch.setenv("T_AWS_ACCESS_KEY_ID", EXAMPLE.access_key_id)
    monkeypatch.setenv("T_AWS_SECRET_ACCESS_KEY", EXAMPLE.secret)
    url = "https://bedrock-runtime.us-west-2.amazonaws.com"
    said = {"api_key_env": "T_AWS_ACCESS_KEY_ID", **settings}
    upstream = UpstreamSettings("bedrock", url, "bedrock", "aws", **said)  # type: ignore[arg-type]
    return Route(upstream, EXAMPLE.access_key_id.encode(), PoolLimits(), Outbox())


@pytest.mark.parametrize("token", ["", "a+session/token=="])
@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-lite-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3d4e5f6",
    ],
)
def test_what_goes_to_bedrock_is_signed_as_botocore_signs_it(model: str, token: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("T_AWS_SESSION_TOKEN", token)
    route = bedrock(monkeypatch)
    body = '{"messages":[{"role":"user","content":[{"text":"ü"}]}]}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"user-agent", b"Boto3/1"),
        (b"x-amz-date", b"20150101T000000Z"),
    ]
    head = write_head(route, "POST", f"/model/{model}/converse", b"", headers, OPERATOR)
    assert b"authorization" not in head
    assert b"x-amz-date" not in head  # the caller's own goes no further
    target = head.split(b" ")[1].decode()
    assert "/" not in target.removeprefix("/model/").removesuffix("/converse")
    theirs = AWSRequest(
        "POST",
        f"https://bedrock-runtime.us-west-2.amazonaws.com{target}",
        data=body,
        headers={"content-type": "application/json"},
    )
    SigV4Auth(Credentials(EXAMPLE.access_key_id, EXAMPLE.secret, token or None), "bedrock", "us-west-2").add_auth(
        theirs
    )
    stamp = theirs.headers["X-Amz-Date"]
    at_us = us_from_datetime(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    assert route.signer is not None
    lines = dict(line.split(b": ", 1) for line in route.signer.sign(head, body, at_us).split(b"\r\n")[1:] if line)
    assert lines[b"authorization"].decode() == theirs.headers["Authorization"]
    assert lines[b"x-amz-date"].decode() == stamp
    assert lines.get(b"x-amz-security-token", b"").decode() == token


def test_a_clients_own_key_goes_as_a_bearer_and_is_not_signed(monkeypatch: pytest.MonkeyPatch):
    route = bedrock(monkeypatch)
    credential = identify([(b"authorization", b"Bearer ABSK-own")], Snapshot(0), b"s", "acme")
    head = write_head(route, "POST", "/model/m/converse", b"", [], credential)
    assert head.endswith(b"\r\nauthorization: Bearer ABSK-own\r\n")
    assert route.signer is not None
    assert route.signer.sign(head, b"{}", AT_US) == head


def test_an_operators_bedrock_key_is_a_bearer(monkeypatch: pytest.MonkeyPatch):
    route = bedrock(monkeypatch, auth="bearer")
    assert route.signer is None
    head = write_head(route, "POST", "/model/m/converse", b"", [], OPERATOR)
    assert head.endswith(b"\r\nauthorization: Bearer AKIDEXAMPLE\r\n")


def test_an_id_without_its_secret_is_no_key(monkeypatch: pytest.MonkeyPatch):
    assert keys_from("PROD_AWS_ACCESS_KEY_ID", {"PROD_AWS_ACCESS_KEY_ID": "AK"}) is None
    env = {"PROD_AWS_ACCESS_KEY_ID": "AK", "PROD_AWS_SECRET_ACCESS_KEY": "s", "PROD_AWS_SESSION_TOKEN": "t"}
    assert keys_from("PROD_AWS_ACCESS_KEY_ID", env) == AwsKeys("AK", "s", "t")
    assert "s" not in repr(AwsKeys("AK", "s", "t")).removeprefix("AwsKeys")
    monkeypatch.delenv("U_AWS_SECRET_ACCESS_KEY", raising=False)
    route = bedrock(monkeypatch, api_key_env="U_AWS_ACCESS_KEY_ID")
    assert (route.signer, route.api_key) == (None, b"")


def test_what_a_caller_says_to_bedrock_goes_on_and_what_it_signed_does_not(monkeypatch: pytest.MonkeyPatch):
    headers = [
        (b"x-amzn-bedrock-guardrailidentifier", b"g1"),
        (b"x-amzn-bedrock-accept", b"application/json"),
        (b"x-amz-security-token", b"theirs"),
        (b"x-amz-content-sha256", b"00"),
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=sk-bursar-x/20261126/us-east-1/bedrock/aws4_request"),
        (b"amz-sdk-request", b"attempt=3; max=5"),
    ]
    head = write_head(bedrock(monkeypatch), "POST", "/model/m/invoke", b"", headers, OPERATOR)
    assert b"\r\nx-amzn-bedrock-guardrailidentifier: g1\r\nx-amzn-bedrock-accept: application/json\r\n" in head
    assert not any(name in head for name in (b"theirs", b"sha256", b"sk-bursar", b"amz-sdk"))
    snapshot = Snapshot(1)
    envelopes = Envelopes(b"s", "acme")
    envelopes.use(snapshot)
    own = [(b"x-api-key", b"ABSK-own"), headers[-1]]
    assert envelopes.open(Head("POST", "/model/m/invoke", b"", own)).client_retry == 2


def test_a_day_has_a_key_of_its_own():
    signer = Signer(EXAMPLE, "us-east-1", "service")
    head = b"GET / HTTP/1.1\r\nhost: example.amazonaws.com\r\n"
    first = signer.sign(head, b"", AT_US)
    later = signer.sign(head, b"", AT_US + 86_400_000_000)
    assert b"/20150831/us-east-1/" in later
    assert signer.sign(head, b"", AT_US) == first
    assert later == Signer(EXAMPLE, "us-east-1", "service").sign(head, b"", AT_US + 86_400_000_000)


def test_a_callers_signature_says_who_it_is_only_with_a_bursar_key_in_it():
    signed = b"AWS4-HMAC-SHA256 Credential=%b/20261126/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
    with pytest.raises(Unauthenticated, match="…-key"):  # it was read as a Bursar key, which nobody made here
        identify([(b"authorization", signed % b"sk-bursar-no-key")], Snapshot(0), b"s", "acme")
    with pytest.raises(Unauthenticated, match="signature of AWS's"):
        identify([(b"authorization", signed % b"AKIAIOSFODNN7")], Snapshot(0), b"s", "acme")

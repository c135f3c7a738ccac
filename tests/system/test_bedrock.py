"""The real boto3 client through the gateway: converse and invoke, plain and streamed, whatever way it shows its key."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import boto3
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError
from tests.world import OPERATOR_KEYS, World, gateway_world

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.controls import PolicyTerms
from bursar.domain.money import usd_from_pico
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.simulate.billing import LogEntry

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
ASK: list[Any] = [{"role": "user", "content": [{"text": "What does a cup of tea cost?"}]}]
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "x"}],
}
TOOL = {"name": "price", "inputSchema": {"json": {"type": "object", "properties": {"of": {"type": "string"}}}}}
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


@pytest.fixture(scope="module")
def key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, key: list[str]) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("bedrock") / "data") as world:
        keys = world.site.keys()
        key.append(keys.create("bedrock", Scope("default"), Attribution(team="core"), actor="test").text)
        world.site.publish(keys)
        controls = world.site.controls()
        terms = PolicyTerms(force_models={"summary": NOVA}, output_tokens_max=700)
        controls.policies.create("small", terms, is_on=True, actor="test")
        controls.publish()
        world.until_known()
        yield world


Connect = Callable[..., Any]


@pytest.fixture
def connect(world: World, key: list[str]) -> Iterator[Connect]:
    """Makes clients. control: what the simulator is told; bearer: the key as a bearer, else as the id that signs."""
    made: list[Any] = []

    def client(
        label: str, control: dict[str, Any] | None = None, tags: str = "", sent: str = "", *, bearer: bool = False
    ) -> Any:
        shown = sent or key[0]
        one = boto3.session.Session(region_name="us-east-1").client(
            "bedrock-runtime",
            endpoint_url=world.url,
            aws_access_key_id=shown,
            aws_secret_access_key="not looked at",
            config=Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED if bearer else "v4"),
        )

        def add(request: Any, **_: Any) -> None:
            request.headers["x-sim"] = json.dumps({"label": label, **(control or {})})
            request.headers["x-bursar-tags"] = tags
            if bearer:
                request.headers["authorization"] = f"Bearer {shown}"

        one.meta.events.register("before-sign.bedrock-runtime.*", add)
        made.append(one)
        return one

    yield client
    for one in made:
        one.close()


def one_call(world: World, label: str) -> LogEntry:
    entries = world.sim_log(label)
    assert len(entries) == 1
    return entries[0]


COUNTS = {"input": 30, "cached": 200, "cache_write_5m": 40, "cache_write_1h": 60, "output": 50, "text": "two pounds"}


def test_converse_and_invoke_plain_and_streamed_cost_what_aws_bills(world: World, connect: Connect):
    converse = connect("converse", COUNTS).converse(modelId=HAIKU, messages=ASK)
    assert converse["output"]["message"]["content"] == [{"text": "two pounds"}]
    assert converse["usage"]["cacheDetails"] == [{"inputTokens": 40, "ttl": "5m"}, {"inputTokens": 60, "ttl": "1h"}]
    headers = converse["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-bursar-cost-quality"] == "reported"

    streamed = connect("converse-stream", COUNTS).converse_stream(modelId=HAIKU, messages=ASK)
    events = list(streamed["stream"])
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(texts) == "two pounds"
    assert events[-1]["metadata"]["usage"] == converse["usage"]

    invoked = connect("invoke", COUNTS).invoke_model(modelId=HAIKU, body=json.dumps(MESSAGES))
    message = json.loads(invoked["body"].read())
    assert (message["content"][0]["text"], message["usage"]["output_tokens"]) == ("two pounds", 50)

    chunks = connect("invoke-stream", COUNTS).invoke_model_with_response_stream(
        modelId=HAIKU, body=json.dumps(MESSAGES)
    )
    said = [json.loads(event["chunk"]["bytes"]) for event in chunks["body"]]
    assert said[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 50

    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges")
    assert sorted((row["dialect"], row["is_stream"]) for row in rows) == [
        (dialect, streams) for dialect in ("bedrock-converse", "bedrock-invoke") for streams in (False, True)
    ]
    wanted = (30 * 1.1 + 200 * 0.11 + 40 * 1.375 + 60 * 2.2 + 50 * 5.5) / 1_000_000
    for label in ("converse", "converse-stream", "invoke", "invoke-stream"):
        assert float(usd_from_pico(one_call(world, label).cost_pico or 0)) == pytest.approx(wanted)
    for row in rows:
        assert row["list_cost"] == usd_from_pico(one_call(world, "converse").cost_pico or 0)
        assert (row["quality"], row["outcome"], row["team"]) == ("reported", "ok", "core")
        assert row["upstream_id"]


def test_what_goes_to_aws_is_signed_by_the_operator_and_shows_nothing_of_the_caller(
    world: World, connect: Connect, key: list[str]
):
    connect("signed").converse(modelId=NOVA, messages=ASK)
    seen = one_call(world, "signed")  # which refuses any signature that is wrong
    assert seen.key_sha256 == sha256(OPERATOR_KEYS["SIM_AWS_ACCESS_KEY_ID"].encode()).hexdigest()[:16]
    assert seen.path == "/model/amazon.nova-lite-v1%3A0/converse"
    assert "x-amz-security-token" in seen.header_names
    assert not {"x-bursar-key", "x-bursar-tags", "amz-sdk-request"} & set(seen.header_names)
    assert key[0] not in world.logs()


def test_a_bearer_token_is_as_good_as_a_signature(world: World, connect: Connect):
    """As AWS_BEARER_TOKEN_BEDROCK sends it, which boto3 only does over HTTPS."""
    answer = connect("bearer", bearer=True).converse(modelId=NOVA, messages=ASK, requestMetadata={"feature": "tea"})
    assert answer["stopReason"] == "end_turn"
    operator = sha256(OPERATOR_KEYS["SIM_AWS_ACCESS_KEY_ID"].encode()).hexdigest()[:16]
    assert one_call(world, "bearer").key_sha256 == operator
    own = connect("own", sent="ABSK-own", bearer=True).converse(modelId=NOVA, messages=ASK)
    assert own["stopReason"] == "end_turn"
    assert one_call(world, "own").key_sha256 == sha256(b"ABSK-own").hexdigest()[:16]


def test_tools_are_called_and_tokens_counted(world: World, connect: Connect):
    made = connect("tools")
    answer = made.converse(modelId=NOVA, messages=ASK, toolConfig={"tools": [{"toolSpec": TOOL}]})
    used = answer["output"]["message"]["content"][0]["toolUse"]
    assert (answer["stopReason"], used["name"], used["input"]) == ("tool_use", "price", {"of": "sample"})
    counted = connect("count").count_tokens(modelId=NOVA, input={"converse": {"messages": ASK}})
    assert counted["inputTokens"] > 5


def test_a_policy_changes_the_model_in_the_path_and_the_limit_in_the_body(world: World, connect: Connect):
    connect("forced", tags="request_type=summary").converse(modelId=HAIKU, messages=ASK)
    seen = one_call(world, "forced")
    assert (seen.path, seen.model_asked) == ("/model/amazon.nova-lite-v1%3A0/converse", NOVA)


def test_a_profile_known_to_its_owner_alone_is_asked_for_and_unpriced(world: World, connect: Connect):
    answer = connect("profile").converse(modelId=ARN, messages=ASK)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-bursar-cost-quality"] == "unpriced"
    assert one_call(world, "profile").model_asked == ARN


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("429", "ThrottlingException", 429),
        ("404", "ResourceNotFoundException", 404),
        ("400", "ValidationException", 400),
    ],
)
def test_awss_own_refusals_come_through(world: World, connect: Connect, fault: str, code: str, status: int):
    with pytest.raises(ClientError) as refused:
        connect(f"refused {fault}", {"fault": fault}).converse(modelId=NOVA, messages=ASK)
    error = refused.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


@pytest.mark.parametrize(
    ("key_sent", "code"), [("sk-bursar-nobody", "AccessDeniedException"), ("AKIA1", "AccessDeniedException")]
)
def test_our_refusals_are_the_clients_exceptions(world: World, connect: Connect, key_sent: str, code: str):
    with pytest.raises(ClientError) as refused:
        connect(f"nobody {key_sent}", sent=key_sent).converse(modelId=NOVA, messages=ASK)
    assert refused.value.response["Error"]["Code"] == code
    assert world.sim_log(f"nobody {key_sent}") == []


def test_a_streams_hold_is_freed_with_its_last_event_and_a_spent_budget_is_an_exception(world: World, connect: Connect):
    budgets = world.site.budgets()
    limit = LimitPlan(10**12 // 100)  # two of these calls at their bound
    window = Schedule(parse_spec("lifetime"))
    budgets.create(Budget(budget_id="", name="t", match={"feature": "tea"}, limit=limit, window=window), actor="test")
    world.site.publish_budgets(budgets)
    world.until_known()
    config = {"maxTokens": 700}
    small = connect("small", {"output": 20}, tags="feature=tea")
    for _ in range(5):  # one after the other, at once
        list(small.converse_stream(modelId=HAIKU, messages=ASK, inferenceConfig=config)["stream"])
        list(small.invoke_model_with_response_stream(modelId=HAIKU, body=json.dumps(MESSAGES))["body"])
    large = connect("large", {"output": 700}, tags="feature=tea")
    with pytest.raises(ClientError) as refused:  # noqa: PT012
        for _ in range(4):
            large.converse(modelId=HAIKU, messages=ASK, inferenceConfig=config)
    error = refused.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceQuotaExceededException",
        402,
    )
    assert error["ResponseMetadata"]["HTTPHeaders"]["x-bursar-error"] == "budget_exhausted"


@pytest.mark.parametrize("fault", ["error_event", "cut", "reset"])
def test_a_stream_that_breaks_raises_in_the_client_and_is_never_free(world: World, connect: Connect, fault: str):
    made = connect(f"broken {fault}", {"fault": fault, "after": 4, "chunks": 9}, tags=f"fault={fault}")
    streams: list[Any] = []
    with pytest.raises((ClientError, ChecksumMismatch)) as broken:  # noqa: PT012
        streams.append(made.converse_stream(modelId=HAIKU, messages=ASK)["stream"])
        for _ in streams[0]:
            pass
    for stream in streams:
        stream.close()
    wanted = {"error_event": "EventStreamError", "cut": "ChecksumMismatch", "reset": "ServiceUnavailableException"}
    assert broken.type.__name__ == wanted[fault]
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE tags['fault'] = $fault", fault=fault)
    assert rows
    assert all(row["outcome"] == "provider_error" for row in rows)
    assert all(row["list_cost"] > 0 for row in rows) or all(row["quality"] == "assumed" for row in rows)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_openais_own_client_asks_a_model_of_bedrock(world: World, key: list[str], stream: bool):
    label = f"door-{stream}"
    headers = {"x-sim": json.dumps({"label": label, "output": 20, "text": "Two pounds."})}
    asked: list[Any] = [{"role": "user", "content": "What does a cup of tea cost?"}]
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=key[0], max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=f"bedrock/{HAIKU}", messages=asked, max_tokens=50, extra_headers=headers, stream=stream
        )
        answer: Any = raw.parse()
        if stream:
            chunks = [chunk.choices[0] for chunk in answer if chunk.choices]
            text, finished = "".join(one.delta.content or "" for one in chunks), chunks[-1].finish_reason
        else:
            text, finished = answer.choices[0].message.content, answer.choices[0].finish_reason
    assert (text, finished) == ("Two pounds.", "stop")
    assert raw.headers["x-bursar-translated"] == "openai-chat>bedrock-converse"
    assert one_call(world, label).cost_pico


def test_profiles_are_listed_by_their_own_names_with_their_prices(world: World, key: list[str]) -> None:
    request = urllib.request.Request(f"{world.url}/inference-profiles", headers={"authorization": f"Bearer {key[0]}"})
    with urllib.request.urlopen(request) as answer:
        profiles = json.load(answer)["inferenceProfileSummaries"]
    named = {one["inferenceProfileId"]: one for one in profiles}
    assert any("claude-haiku-4-5" in name for name in named)
    assert all("/" not in name and one["status"] == "ACTIVE" for name, one in named.items())
    assert any("per million tokens" in one["description"] for one in profiles)

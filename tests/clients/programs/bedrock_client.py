"""boto3 and an API key of Bedrock: converse plain, streamed, with a tool whose result is brought back."""

import sys

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags

URL, KEY = sys.argv[1:3]
MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ASK = [{"role": "user", "content": [{"text": QUESTION[0]["content"]}]}]
UNSIGNED_ONCE = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}


def client(name, demand=None):
    made = boto3.client("bedrock-runtime", endpoint_url=URL, region_name="us-east-1", config=UNSIGNED_ONCE)

    def add(request, **_):
        for header, said in {"authorization": f"Bearer {KEY}", **tags(name, demand)}.items():
            request.headers[header] = said

    made.meta.events.register("before-sign.bedrock-runtime.*", add)
    return made


def plain(name):
    answer = client(name, DEMAND).converse(modelId=MODEL, messages=ASK)
    return {"text": answer["output"]["message"]["content"][-1]["text"], "output": answer["usage"]["outputTokens"]}


def stream(name):
    events = list(client(name, DEMAND).converse_stream(modelId=MODEL, messages=ASK)["stream"])
    pieces = [event["contentBlockDelta"]["delta"].get("text", "") for event in events if "contentBlockDelta" in event]
    return {"text": "".join(pieces), "output": events[-1]["metadata"]["usage"]["outputTokens"]}


def tools(name):
    said = client(name).converse(modelId=MODEL, messages=ASK, toolConfig=TOOLS)["output"]["message"]
    call = next(block["toolUse"] for block in said["content"] if "toolUse" in block)
    told = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": RESULT}]}}
    turns = [*ASK, said, {"role": "user", "content": [told]}]
    answer = client(name, DEMAND).converse(modelId=MODEL, messages=turns, toolConfig=TOOLS)
    text = answer["output"]["message"]["content"][-1]["text"]
    return {"tool": call["name"], "arguments": call["input"], "calls": 2, "text": text}


report(plain, stream, tools)

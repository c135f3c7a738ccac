"""LiteLLM as a client, for OpenAI's dialect and for Anthropic's: plain, streamed, with a tool."""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its price list is otherwise fetched from the internet

import litellm
from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags

URL, KEY = sys.argv[1:3]
litellm.telemetry = False
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
GPT = {"model": "openai/gpt-4o-mini", "api_base": f"{URL}/v1", "api_key": KEY, "num_retries": 0}
CLAUDE = {
    "model": "anthropic/claude-sonnet-4-6",
    "api_base": URL,
    "api_key": KEY,
    "num_retries": 0,
    "max_tokens": 1_000,
}


def plain(name, asked):
    answer = litellm.completion(messages=QUESTION, extra_headers=tags(name, DEMAND), **asked)
    return {"text": answer.choices[0].message.content, "output": answer.usage.completion_tokens}


def stream(name, asked):
    pieces = litellm.completion(
        messages=QUESTION,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=tags(name, DEMAND),
        **asked,
    )
    answer = litellm.stream_chunk_builder(list(pieces))
    return {"text": answer.choices[0].message.content, "output": answer.usage.completion_tokens}


def tools(name, asked):
    first = litellm.completion(messages=QUESTION, tools=[TOOL], extra_headers=tags(name), **asked)
    message = first.choices[0].message
    call = message.tool_calls[0]
    turns = [*QUESTION, message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    answer = litellm.completion(messages=turns, tools=[TOOL], extra_headers=tags(name, DEMAND), **asked)
    arguments = json.loads(call.function.arguments)
    text = answer.choices[0].message.content
    return {"tool": call.function.name, "arguments": arguments, "calls": 2, "text": text}


def gpt_plain(name):
    return plain(name, GPT)


def gpt_stream(name):
    return stream(name, GPT)


def gpt_tools(name):
    return tools(name, GPT)


def claude_plain(name):
    return plain(name, CLAUDE)


def claude_stream(name):
    return stream(name, CLAUDE)


def claude_tools(name):
    return tools(name, CLAUDE)


report(gpt_plain, gpt_stream, gpt_tools, claude_plain, claude_stream, claude_tools)

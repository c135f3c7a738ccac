"""Anthropic's own package: plain, streamed, with a tool whose result is brought back, tokens counted."""

import sys

import anthropic
from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags

URL, KEY = sys.argv[1:3]
ASKED = {"model": "claude-sonnet-4-6", "max_tokens": 1_000}
client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)


def plain(name):
    answer = client.messages.create(messages=QUESTION, extra_headers=tags(name, DEMAND), **ASKED)
    return {"text": answer.content[0].text, "output": answer.usage.output_tokens}


def stream(name):
    with client.messages.stream(messages=QUESTION, extra_headers=tags(name, DEMAND), **ASKED) as events:
        answer = events.get_final_message()
    return {"text": answer.content[0].text, "output": answer.usage.output_tokens}


def tools(name):
    asked = {**ASKED, "tools": [{"name": "weather", "input_schema": SCHEMA}]}
    with client.messages.stream(messages=QUESTION, extra_headers=tags(name), **asked) as events:
        message = events.get_final_message()
    call = next(block for block in message.content if block.type == "tool_use")
    said = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]
    told = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT}]
    turns = [*QUESTION, {"role": "assistant", "content": said}, {"role": "user", "content": told}]
    answer = client.messages.create(messages=turns, extra_headers=tags(name, DEMAND), **asked)
    return {"tool": call.name, "arguments": call.input, "calls": 2, "text": answer.content[0].text}


report(plain, stream, tools)

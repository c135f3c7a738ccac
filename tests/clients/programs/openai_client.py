"""OpenAI's own package: chat and Responses, plain, streamed, with a tool whose result is brought back."""

import json
import sys

import openai
from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags

URL, KEY = sys.argv[1:3]
CHAT_MODEL, RESPONSES_MODEL = "gpt-4o-mini", "gpt-4.1"
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
FLAT_TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def chat_plain(name):
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=QUESTION, extra_headers=tags(name, DEMAND))
    return {"text": answer.choices[0].message.content, "output": answer.usage.completion_tokens}


def chat_stream(name):
    with client.chat.completions.stream(
        model=CHAT_MODEL, messages=QUESTION, stream_options={"include_usage": True}, extra_headers=tags(name, DEMAND)
    ) as stream:
        answer = stream.get_final_completion()
    return {"text": answer.choices[0].message.content, "output": answer.usage.completion_tokens}


def chat_tools(name):
    asked = {"model": CHAT_MODEL, "tools": [CHAT_TOOL]}
    with client.chat.completions.stream(messages=QUESTION, extra_headers=tags(name), **asked) as stream:
        message = stream.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    told = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    turns = [*QUESTION, message.model_dump(exclude_none=True, exclude={"parsed"}), told]
    for held in turns[1]["tool_calls"]:
        held["function"].pop("parsed_arguments", None)
    answer = client.chat.completions.create(messages=turns, extra_headers=tags(name, DEMAND), **asked)
    return {"tool": call.function.name, "arguments": json.loads(call.function.arguments), "calls": 2,
            "text": answer.choices[0].message.content}  # fmt: skip


def responses_plain(name):
    answer = client.responses.create(model=RESPONSES_MODEL, input=QUESTION, extra_headers=tags(name, DEMAND))
    return {"text": answer.output_text, "output": answer.usage.output_tokens}


def responses_stream(name):
    with client.responses.stream(model=RESPONSES_MODEL, input=QUESTION, extra_headers=tags(name, DEMAND)) as stream:
        answer = stream.get_final_response()
    return {"text": answer.output_text, "output": answer.usage.output_tokens}


def responses_tools(name):
    asked = {"model": RESPONSES_MODEL, "tools": [FLAT_TOOL]}
    with client.responses.stream(input=QUESTION, extra_headers=tags(name), **asked) as stream:
        call = stream.get_final_response().output[-1]
    said = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    told = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    answer = client.responses.create(input=[*QUESTION, said, told], extra_headers=tags(name, DEMAND), **asked)
    return {"tool": call.name, "arguments": json.loads(call.arguments), "calls": 2, "text": answer.output_text}


report(chat_plain, chat_stream, chat_tools, responses_plain, responses_stream, responses_tools)

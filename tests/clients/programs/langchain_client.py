"""LangChain's chat models for OpenAI and Anthropic: plain, streamed, with a tool whose result is brought back."""

import sys

from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

URL, KEY = sys.argv[1:3]
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
ASK = HumanMessage(QUESTION[0]["content"])


def gpt(name, demand=None, **more):
    return ChatOpenAI(
        model="gpt-4o-mini", base_url=f"{URL}/v1", api_key=KEY, max_retries=0,
        default_headers=tags(name, demand), **more,
    )  # fmt: skip


def gpt_responses(name, demand=None):
    return gpt(name, demand, use_responses_api=True)


def claude(name, demand=None):
    return ChatAnthropic(
        model="claude-sonnet-4-6", base_url=URL, api_key=KEY, max_retries=0, max_tokens=1_000,
        default_headers=tags(name, demand),
    )  # fmt: skip


def plain(name, make):
    answer = make(name, DEMAND).invoke([ASK])
    return {"text": answer.text, "output": answer.usage_metadata["output_tokens"]}


def stream(name, make):
    whole = None
    for piece in make(name, DEMAND).stream([ASK]):
        whole = piece if whole is None else whole + piece
    usage = (
        whole.usage_metadata
    )  # ChatOpenAI asks for none where the address isn't OpenAI's: it is charged all the same
    return {"text": whole.text} | ({"output": usage["output_tokens"]} if usage else {})


def tools(name, make):
    first = make(name).bind_tools([TOOL]).invoke([ASK])
    call = first.tool_calls[0]
    turns = [ASK, first, ToolMessage(RESULT, tool_call_id=call["id"])]
    answer = make(name, DEMAND).bind_tools([TOOL]).invoke(turns)
    return {"tool": call["name"], "arguments": call["args"], "calls": 2, "text": answer.text}


def case(run, make):
    def one(name):
        return run(name, make)

    one.__name__ = f"{make.__name__}_{run.__name__}"
    return one


report(*(case(run, make) for make in (gpt, gpt_responses, claude) for run in (plain, stream, tools)))

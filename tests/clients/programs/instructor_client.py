"""Instructor: an object of a declared shape, out of OpenAI's and Anthropic's clients; plain and streamed."""

import sys

import anthropic
import instructor
import openai
from cases import QUESTION, report, tags
from pydantic import BaseModel

URL, KEY = sys.argv[1:3]


class Weather(BaseModel):
    city: str
    days: int


gpt = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0))
claude = instructor.from_anthropic(anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0))
ASKED = {"response_model": Weather, "messages": QUESTION, "max_retries": 1}


def told(weather):
    return {"tool": type(weather).__name__, "arguments": weather.model_dump()}


def gpt_plain(name):
    return told(gpt.chat.completions.create(model="gpt-4o-mini", extra_headers=tags(name), **ASKED))


def gpt_stream(name):
    shapes = gpt.chat.completions.create_partial(model="gpt-4o-mini", extra_headers=tags(name), **ASKED)
    return told(Weather(**list(shapes)[-1].model_dump()))


def claude_plain(name):
    return told(claude.messages.create(model="claude-sonnet-4-6", max_tokens=500, extra_headers=tags(name), **ASKED))


report(gpt_plain, gpt_stream, claude_plain)

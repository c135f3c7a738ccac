"""Google's own package against Gemini's dialect: plain, streamed, with a tool whose result is brought back."""

import sys

from cases import DEMAND, QUESTION, RESULT, SCHEMA, report, tags
from google import genai
from google.genai import types

URL, KEY = sys.argv[1:3]
MODEL = "gemini-2.5-flash"
ASK = QUESTION[0]["content"]
WEATHER = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)])
client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))


def config(name, demand=None, **more):
    return types.GenerateContentConfig(http_options=types.HttpOptions(headers=tags(name, demand)), **more)


def plain(name):
    answer = client.models.generate_content(model=MODEL, contents=ASK, config=config(name, DEMAND))
    return {"text": answer.text, "output": answer.usage_metadata.candidates_token_count}


def stream(name):
    pieces = list(client.models.generate_content_stream(model=MODEL, contents=ASK, config=config(name, DEMAND)))
    text = "".join(piece.text or "" for piece in pieces)
    return {"text": text, "output": pieces[-1].usage_metadata.candidates_token_count}


def tools(name):
    manual = types.AutomaticFunctionCallingConfig(disable=True)
    more = {"tools": [WEATHER], "automatic_function_calling": manual}
    first = client.models.generate_content(model=MODEL, contents=ASK, config=config(name, **more))
    call = first.function_calls[0]
    told = types.Part.from_function_response(name=call.name, response={"result": RESULT})
    turns = [
        types.Content(role="user", parts=[types.Part(text=ASK)]),
        first.candidates[0].content,
        types.Content(role="user", parts=[told]),
    ]
    answer = client.models.generate_content(model=MODEL, contents=turns, config=config(name, DEMAND, **more))
    return {"tool": call.name, "arguments": call.args, "calls": 2, "text": answer.text}


report(plain, stream, tools)

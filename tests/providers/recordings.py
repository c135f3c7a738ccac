"""The recordings of tests/golden, as the reader of a dialect would meet them."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from bursar.providers.base import Answer, Asked, Dialect, read_reply, said_in_headers
from bursar.providers.registry import DIALECTS, dialect_for

GOLDEN = Path(__file__).parent.parent / "golden"

DIALECT_OF_API = {
    "chat": "openai-chat",
    "completions": "openai-completions",
    "responses": "openai-responses",
    "embeddings": "openai-embeddings",
    "messages": "anthropic-messages",
    "count_tokens": "anthropic-count-tokens",
}


class Recording(NamedTuple):
    """One recorded answer. `body`: as it came; a plain one re-encoded, since it was recorded as parsed JSON."""

    id: str
    provider: str
    dialect: Dialect
    is_stream: bool
    status: int
    request: bytes
    body: bytes
    expected: dict[str, Any] | None
    path: str  # Google's and Bedrock's: it names the model
    headers: list[tuple[bytes, bytes]]

    def asked(self) -> Asked:
        return self.dialect.read_request(self.request)

    def answer(self) -> Answer:
        if not self.is_stream:
            return read_reply(self.dialect, self.body, self.status, self.headers)
        reader = self.dialect.reader(Asked(stream=True), strip_usage=False)
        reader.feed(self.body)
        reader.end()
        return said_in_headers(self.dialect, reader.answer(), self.status, self.headers)


@cache
def recordings() -> tuple[Recording, ...]:
    """All of them, by id."""
    return tuple(_read(path) for path in sorted(GOLDEN.glob("*/*-*-*.json")))


def recording(id: str) -> Recording:
    return next(one for one in recordings() if one.id == id)


def streams() -> tuple[Recording, ...]:
    """Those of events. Bedrock's are of frames: `frame_streams`."""
    return tuple(one for one in recordings() if one.is_stream and one.dialect.family != "bedrock")


def frame_streams() -> tuple[Recording, ...]:
    return tuple(one for one in recordings() if one.is_stream and one.dialect.family == "bedrock")


def _dialect_of(case: dict[str, Any]) -> Dialect:
    if not _is_named_by_path(case):
        return DIALECTS[DIALECT_OF_API[case["api"]]]
    found = dialect_for("POST", unquote(case["request"]["path"]))
    assert found is not None
    return found[0]


def _is_named_by_path(case: dict[str, Any]) -> bool:
    is_bedrock = case["provider"] == "bedrock" and "/model/" in case["request"]["path"]
    return is_bedrock or case["provider"] in ("gemini", "vertex")


def _body(response: dict[str, Any]) -> bytes:
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    text: str = response.get("body_text") or json.dumps(response["body"], separators=(",", ":"))
    return text.encode()


def _read(path: Path) -> Recording:
    case = json.loads(path.read_text("utf-8"))
    response = case["response"]
    is_stream = case["stream"] and ("body_text" in response or "body_base64" in response)
    return Recording(
        case["id"],
        case["provider"],
        _dialect_of(case),
        is_stream,
        response["status"],
        json.dumps(case["request"]["body"]).encode(),
        _body(response),
        (case.get("expected") or {}).get("chosen"),
        unquote(case["request"]["path"]) if _is_named_by_path(case) else "",
        [(name.lower().encode(), value.encode()) for name, value in response.get("headers", {}).items()],
    )

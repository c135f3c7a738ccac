"""The recordings of tests/golden, as the reader of a dialect would meet them."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bursar.providers.base import Answer, Asked, Dialect
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
    path: str  # Google's: it names the model

    def asked(self) -> Asked:
        return self.dialect.read_request(self.request)

    def answer(self) -> Answer:
        if not self.is_stream:
            return self.dialect.read_answer(self.body, self.status)
        reader = self.dialect.reader(Asked(stream=True), strip_usage=False)
        reader.feed(self.body)
        reader.end()
        return reader.answer()


@cache
def recordings() -> tuple[Recording, ...]:
    """All of them, by id."""
    return tuple(_read(path) for path in sorted(GOLDEN.glob("*/*-*-*.json")))


def recording(id: str) -> Recording:
    return next(one for one in recordings() if one.id == id)


def streams() -> tuple[Recording, ...]:
    return tuple(one for one in recordings() if one.is_stream)


def _dialect_of(case: dict[str, Any]) -> Dialect:
    if case["provider"] not in ("gemini", "vertex"):
        return DIALECTS[DIALECT_OF_API[case["api"]]]
    found = dialect_for("POST", case["request"]["path"])  # the path names the model
    assert found is not None
    return found[0]


def _read(path: Path) -> Recording:
    case = json.loads(path.read_text("utf-8"))
    response = case["response"]
    is_stream = case["stream"] and "body_text" in response
    body = response["body_text"] if is_stream else json.dumps(response["body"], separators=(",", ":"))
    return Recording(
        case["id"],
        case["provider"],
        _dialect_of(case),
        is_stream,
        response["status"],
        json.dumps(case["request"]["body"]).encode(),
        body.encode(),
        (case.get("expected") or {}).get("chosen"),
        case["request"]["path"] if case["provider"] in ("gemini", "vertex") else "",
    )

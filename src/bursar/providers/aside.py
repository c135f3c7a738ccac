"""Paths beside the calls: files, batches, and responses that the provider keeps.

Source: OpenAI's published OpenAPI 2.3.0 (files, batches, responses); Anthropic's SDK 2.12.0 (message batches).
"""

import re
from typing import NamedTuple

from bursar.domain.charge import Operation
from bursar.providers.base import Dialect
from bursar.providers.models import ModelList

_OPENAI = r"(?:/openai)?(?:/v1)?"
_FILES = re.compile(_OPENAI + r"/files(?:/(?P<id>[\w.:-]+)(?P<action>/content)?)?/?", re.ASCII)
_BATCHES = re.compile(_OPENAI + r"/batches(?:/(?P<id>[\w.:-]+)(?P<action>/cancel)?)?/?", re.ASCII)
_MESSAGES = re.compile(
    r"(?:/anthropic)?(?:/v1)?/messages/batches(?:/(?P<id>[\w.:-]+)(?P<action>/cancel|/results)?)?/?", re.ASCII
)
_KEPT = re.compile(_OPENAI + r"/responses/(?P<id>[\w.:-]+)(?P<action>/\w+)?", re.ASCII)


class Beside(ModelList):
    """What no tokens are billed for by itself: an upload, a batch (its lines are), a look at what is kept."""

    def __init__(self, name: str, family: str, operation: Operation) -> None:
        super().__init__(name, family)
        self.operation = operation


FILES: Dialect = Beside("openai-files", "openai", Operation.FILES)
BATCHES: Dialect = Beside("openai-batches", "openai", Operation.BATCH)
MESSAGE_BATCHES: Dialect = Beside("anthropic-batches", "anthropic", Operation.BATCH)
KEPT: Dialect = Beside("openai-kept", "openai", Operation.KEPT)

BESIDE = frozenset({Operation.FILES, Operation.BATCH, Operation.KEPT})

_PATHS: tuple[tuple[re.Pattern[str], str, Dialect, frozenset[tuple[str, bool, str]]], ...] = (
    (
        _FILES,
        "/v1/files",
        FILES,
        frozenset({("POST", False, ""), ("GET", False, ""), ("GET", True, ""), ("DELETE", True, ""),
                   ("GET", True, "/content")}),
    ),
    (
        _BATCHES,
        "/v1/batches",
        BATCHES,
        frozenset({("POST", False, ""), ("GET", False, ""), ("GET", True, ""), ("POST", True, "/cancel")}),
    ),
    (
        _MESSAGES,
        "/v1/messages/batches",
        MESSAGE_BATCHES,
        frozenset({("POST", False, ""), ("GET", False, ""), ("GET", True, ""), ("DELETE", True, ""),
                   ("POST", True, "/cancel"), ("GET", True, "/results")}),
    ),
    (
        _KEPT,
        "/v1/responses",
        KEPT,
        frozenset({("GET", True, ""), ("DELETE", True, ""), ("GET", True, "/input_items"), ("POST", True, "/cancel")}),
    ),
)  # fmt: skip
"""(path, the provider's own, dialect, what may be done: method, of one thing, action)"""


class BesidePath(NamedTuple):
    """A path taken apart. id: of the file, batch or response, "" for all of them; action: `content`, `cancel`, …"""

    dialect: Dialect
    path: str
    id: str
    action: str


def beside(method: str, path: str) -> BesidePath | None:
    """What a path beside the calls means, and the path at the provider; None: it is none, or has no such method.

    >>> beside("GET", "/openai/v1/files/file-1/content")[1:]
    ('/v1/files/file-1/content', 'file-1', 'content')
    """
    for pattern, own, dialect, allowed in _PATHS:
        found = pattern.fullmatch(path)
        if found is not None:
            named, action = found["id"] or "", found["action"] or ""
            if (method, bool(named), action) not in allowed:
                continue
            return BesidePath(dialect, own + ("/" + named if named else "") + action, named, action[1:])
    return None

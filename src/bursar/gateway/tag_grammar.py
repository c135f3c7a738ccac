"""Reads tags as clients write them, into clean pairs, and says what it couldn't keep.

The own grammar, of `X-Bursar-Tags`: `feature=checkout,customer=acme` (`,` `=` and `%` percent-encoded in keys and
values), or a JSON object of scalars. Nothing here raises for any text: what can't be kept is a loss, with a name and
a count.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from bursar.domain.tags import DIMENSIONS, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX

PAIRS_READ_MAX = 256
"""Pairs read from one header or field; those behind them are only counted (as `too_many`)."""

TEXT_BYTES_MAX = 64 * 1024
"""Bytes read of one header; a longer list is cut at a comma, a longer JSON value isn't read (`too_large`)."""

LABEL_VALUE = "true"
"""The value of a bare label: `beta` is `beta=true`."""

Losses = tuple[tuple[str, int], ...]
"""(reason, how many): `too_many`, `bad_key`, `empty`, `nested`, `duplicate`, `bad_json`, `too_large` are lost pairs;
`truncated` and `cleaned` are pairs that were kept with another value than they were given with."""

CHANGED = frozenset({"truncated", "cleaned"})
"""Reasons that leave the pair in place."""


class Parsed(msgspec.Struct, frozen=True, array_like=True):
    """The pairs of one source, in its order. A key is a dimension's own name (any alias resolved) or a free tag's."""

    pairs: tuple[tuple[str, str], ...] = ()
    losses: Losses = ()


NOTHING = Parsed()

_ALIASES: dict[str, tuple[str, ...]] = {
    "feature": ("feature_name", "use_case"),
    "team": ("team_id", "team_name"),
    "customer": ("customer_id", "customer_name", "tenant", "tenant_id"),
    "environment": ("env", "_environment", "deployment_environment", "deployment_environment_name"),
    "request_type": ("type", "task", "task_type"),
    "session": ("session_id", "conversation", "conversation_id", "thread_id"),
    "agent": ("agent_id", "agent_name"),
    "user": ("user_id", "end_user", "end_user_id", "enduser_id", "_user"),
}

DIMENSION_OF: dict[str, str] = {name: name for name in DIMENSIONS} | {
    alias: name for name, aliases in _ALIASES.items() for alias in aliases
}
"""Which dimension a key names, once it is in lower case with `_` for `-`, `.` and spaces."""

_SEPARATORS = str.maketrans("-. ", "___")
# Controls (C0, DEL, C1), line and paragraph separators, direction overrides that make a page lie, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COLON_LABEL = re.compile(r"([A-Za-z_][\w.-]*)\s*:(?!//)(.+)", re.DOTALL)
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PairsBeingRead:
    """The pairs of one source while it is read: cleans, resolves aliases, counts what it can't keep."""

    __slots__ = ("_named_by", "found", "losses", "read")

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.losses: dict[str, int] = {}
        self.read = 0
        self._named_by: dict[str, str] = {}

    @property
    def full(self) -> bool:
        return self.read >= PAIRS_READ_MAX

    def lose(self, reason: str, count: int = 1) -> None:
        if count > 0:
            self.losses[reason] = self.losses.get(reason, 0) + count

    def add(self, key: str, value: str) -> None:
        """Take one pair as it was written. The first of two equal keys stays."""
        self.read += 1
        key = key.strip()
        if not key or len(key) > TAG_KEY_CHARS_MAX or _UNSAFE.search(key):
            self.lose("bad_key")
            return
        value = value.strip()
        if not value.isprintable() and _UNSAFE.search(value):
            value = _UNSAFE.sub("", value).strip()
            if value:
                self.lose("cleaned")
        if not value:
            self.lose("empty")
            return
        if len(value) > TAG_VALUE_CHARS_MAX:
            value = value[:TAG_VALUE_CHARS_MAX].rstrip()
            self.lose("truncated")
        name = key.lower().translate(_SEPARATORS)
        dimension = DIMENSION_OF.get(name)
        if dimension is None:
            self._keep(key, value)
        elif dimension not in self.found:
            self.found[dimension] = value
            self._named_by[dimension] = key
        else:
            self._keep_second(dimension, key, name, value)

    def _keep(self, key: str, value: str) -> None:
        if key in self.found:
            self.lose("duplicate")
        else:
            self.found[key] = value

    def _keep_second(self, dimension: str, key: str, name: str, value: str) -> None:
        """A dimension's own name beats its aliases; an alias that lost stays as a free tag, so nothing goes missing."""
        holder = self._named_by[dimension]
        holder_is_own_name = holder.lower().translate(_SEPARATORS) == dimension
        if name != dimension:
            if key == holder:
                self.lose("duplicate")
            else:
                self._keep(key, value)
        elif holder_is_own_name:
            self.lose("duplicate")
        else:
            self._keep(holder, self.found[dimension])
            self.found[dimension] = value
            self._named_by[dimension] = key

    def done(self) -> Parsed:
        return Parsed(tuple(self.found.items()), tuple(self.losses.items()))


def parse_tags(value: bytes) -> Parsed:
    """`k=v,k2=v2`, a JSON object, or a list of bare labels (comma list or JSON): the own grammar, and Prism's."""
    if value[:1] in (b"{", b"["):
        return parse_json(value)
    return _parse_list(value, colons=False, percent=True)


def parse_labels(value: bytes) -> Parsed:
    """LiteLLM's `a,b,c`: bare labels, `k:v` and `k=v` items; nothing is percent-encoded. JSON is read as such."""
    if value[:1] in (b"{", b"["):
        return parse_json(value)
    return _parse_list(value, colons=True, percent=False)


def parse_json(value: bytes) -> Parsed:
    """A JSON object of scalars, or an array of labels. A number keeps the digits it was written with."""
    pairs = PairsBeingRead()
    if len(value) > TEXT_BYTES_MAX:
        pairs.lose("too_large")
        return pairs.done()
    try:
        if value.lstrip()[:1] == b"[":
            _add_labels(pairs, [_scalar(raw) for raw in _RAW_LIST.decode(value)], colons=True, percent=False)
        else:
            _add_members(pairs, {key: _scalar(raw) for key, raw in _RAW_OBJECT.decode(value).items()})
    except _BAD_JSON:
        pairs = PairsBeingRead()
        pairs.lose("bad_json")
    return pairs.done()


def parse_members(members: Mapping[str, Any]) -> Parsed:
    """A decoded body field such as `metadata`: scalars become text, null is empty, anything nested is lost by name."""
    pairs = PairsBeingRead()
    _add_members(pairs, {key: _text_of(value) for key, value in members.items()})
    return pairs.done()


def parse_label_items(items: Iterable[str]) -> Parsed:
    """A decoded body list such as LiteLLM's `tags`."""
    pairs = PairsBeingRead()
    _add_labels(pairs, [_text_of(item) for item in items], colons=True, percent=False)
    return pairs.done()


def parse_one(key: str, value: bytes) -> Parsed:
    """A header that carries one value and nothing else."""
    if not value.strip():
        return NOTHING  # an unset variable in the client's template; nobody lost anything
    pairs = PairsBeingRead()
    pairs.add(key, text(value))
    return pairs.done()


def format_tags(tags: Mapping[str, str]) -> str:
    """Tags in the own grammar, ASCII only, as an SDK would send them. `parse_tags` gives them back.

    >>> format_tags({"feature": "a=b", "customer": "Café, Ltd"})
    'feature=a%3Db,customer=Caf%C3%A9%2C Ltd'
    """
    return ",".join(f"{_escape(key)}={_escape(value)}" for key, value in tags.items())


def text(value: bytes) -> str:
    """A header's bytes as text: UTF-8, else Latin-1, which is what older HTTP clients send."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _escape(part: str) -> str:
    return quote(part, safe=" !#$&'()*+-./:;<>?@^_`|~")


def _parse_list(value: bytes, *, colons: bool, percent: bool) -> Parsed:
    pairs = PairsBeingRead()
    beyond = 0
    if len(value) > TEXT_BYTES_MAX:
        cut = max(value.rfind(b",", 0, TEXT_BYTES_MAX), 0)
        value, rest = value[:cut], value[cut:]
        beyond = max(rest.count(b","), 1)
    items = [item for item in text(value).split(",") if item and not item.isspace()]
    _add_labels(pairs, items, colons=colons, percent=percent)
    pairs.lose("too_many", beyond)
    return pairs.done()


def _add_labels(pairs: PairsBeingRead, items: list[str] | list[str | None], *, colons: bool, percent: bool) -> None:
    for item in items[:PAIRS_READ_MAX]:
        if item is None:
            pairs.read += 1
            pairs.lose("nested")
            continue
        key, equals, value = item.partition("=")
        if not equals:
            match = _COLON_LABEL.fullmatch(item.strip()) if colons else None
            key, value = match.groups() if match else (item, LABEL_VALUE)
        if percent and "%" in item:
            key, value = unquote(key.strip()), unquote(value.strip())
        pairs.add(key, value)
    pairs.lose("too_many", len(items) - PAIRS_READ_MAX)


def _add_members(pairs: PairsBeingRead, members: Mapping[str, str | None]) -> None:
    for at, (key, value) in enumerate(members.items()):
        if at >= PAIRS_READ_MAX:
            pairs.lose("too_many", len(members) - PAIRS_READ_MAX)
            return
        if value is None:
            pairs.read += 1
            pairs.lose("nested")
        else:
            pairs.add(key, value)


def _scalar(raw: msgspec.Raw) -> str | None:
    """A JSON scalar as text, with the digits of a number as they were written; None for an object or an array."""
    data = bytes(raw).strip()
    first = data[:1]
    if first == b'"':
        return _TEXT.decode(data)
    if first in (b"{", b"["):
        return None
    return "" if first == b"n" else data.decode("ascii")


def _text_of(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 1024 else None  # Python refuses to print some thousand digits
    return repr(value) if isinstance(value, float) else None

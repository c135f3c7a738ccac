"""Who and what a call is for, from whatever the client says: own headers, other gateways' headers, the body, the key.

Precedence: own > other gateways' and tools' headers (in the order of their table) > body > trace context > the key's
defaults. Nothing is refused for its tags: what can't be kept is counted and named for `x-bursar-tags-dropped`.
Runs for every call, so what was read once is remembered, in bounded memos.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from bursar.domain.tags import DIMENSIONS, TAGS_MAX, Attribution
from bursar.gateway.attribute_dialects import BODY_RANK, Reader, RuleBook
from bursar.gateway.tag_grammar import CHANGED, Losses, Parsed, parse_json, parse_label_items, parse_members

MEMO_ENTRIES_MAX = 2048
MEMO_VALUE_BYTES_MAX = 2048  # a longer header is read each time, so that memos stay within a few MB
NOTE_CHARS_MAX = 400
IGNORED_NAMES_MAX = 8

Headers = Sequence[tuple[bytes, bytes]]
"""Lower-case names, as ASGI gives them."""

_DIMENSIONS = frozenset(DIMENSIONS)
_CLAUDE_CODE_USER = re.compile(r"user_[0-9a-zA-Z]+_account_[0-9a-zA-Z-]*_session_([0-9a-zA-Z-]+)")


class SaysWho(Protocol):
    """The part of `providers.base.Asked` that attributes a call."""

    @property
    def user(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def tags(self) -> Sequence[str]: ...


class Attributed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """attribution: what the ledger keeps. tags_dropped: pairs that are not in it, though they were given.

    dropped_note: the value of `x-bursar-tags-dropped`, "" for no header: `3; too_many=2; bad_key=1; truncated=1`.
    The first number counts lost pairs; `truncated`, `cleaned` (kept, changed), `overridden` (another source, which
    binds more, said something else) and `ignored=<header>` (not obeyed) come after it.
    """

    attribution: Attribution
    tags_dropped: int = 0
    dropped_note: str = ""


class _Said(msgspec.Struct, array_like=True):
    """What the client alone said, and the last answer made of it, for the same key's next call."""

    pairs: dict[str, str]
    losses: dict[str, int]
    ignored: list[str]
    defaults: Attribution | None = None
    answer: Attributed | None = None


class _ClaudeCodeUser(msgspec.Struct):
    session_id: str


_rules = RuleBook()
_said_memo: dict[tuple[object, ...], _Said] = {}
_parsed_memo: dict[tuple[bytes, bytes], Parsed] = {}
_claude_code_user = msgspec.json.Decoder(_ClaudeCodeUser)


def attribute(headers: Headers, asked: SaysWho, defaults: Attribution) -> Attributed:
    """Attribute one call. Never raises for anything a client can send.

    headers:    names in lower case.
    asked:      what the body says: `user`, `metadata`, and `tags`, the labels of LiteLLM (bare, `k:v` or `k=v`).
    defaults:   of the key; they fill what nobody said, and a client's tags can't push them out.
    """
    rules = _rules
    telling = [header for header in headers if rules[header[0]]]
    user, metadata, labels = asked.user, asked.metadata, asked.tags
    if not (telling or user or metadata or labels):
        return Attributed(defaults)
    key = _memo_key(telling, user, metadata, labels)
    said = _said_memo.get(key) if key is not None else None
    if said is None:
        said = _merge(_sources(telling, user, metadata, labels), telling)
        if key is not None:
            if len(_said_memo) >= MEMO_ENTRIES_MAX:
                _said_memo.clear()
            _said_memo[key] = said
    if said.defaults is defaults and said.answer is not None:
        return said.answer
    answer = _answer(said, defaults)
    said.defaults, said.answer = defaults, answer
    return answer


def _memo_key(
    telling: list[tuple[bytes, bytes]], user: str, metadata: Mapping[str, str], labels: Sequence[str]
) -> tuple[object, ...] | None:
    """What the answer depends on, if it is small enough to be remembered and hashable."""
    size = len(user)
    for _, value in telling:
        size += len(value)
    if size > MEMO_VALUE_BYTES_MAX or len(telling) > TAGS_MAX:
        return None
    if not (metadata or labels):
        return (*telling, user)
    if len(metadata) + len(labels) > TAGS_MAX:
        return None
    key = (*telling, user, tuple(metadata.items()), tuple(labels))
    try:
        hash(key)
    except TypeError:  # a nested value; `parse_members` will name it
        return None
    return key if sum(len(str(part)) for part in key[len(telling) + 1 :]) <= MEMO_VALUE_BYTES_MAX else None


def _sources(
    telling: list[tuple[bytes, bytes]], user: str, metadata: Mapping[str, str], labels: Sequence[str]
) -> list[tuple[int, bool, Parsed]]:
    """(rank, implied, pairs) of each source, the most binding first; headers of one name keep their order."""
    sources = []
    for header in telling:
        rule = _rules[header[0]]
        if rule is not None and rule.read is not None:
            sources.append((rule.rank, rule.implied, _read(header, rule.read)))
    if user:
        sources.append((BODY_RANK, False, _user_of_body(user)))
    if metadata:
        tags = _labels_of_metadata(metadata)
        if tags is not None:
            sources.append((BODY_RANK + 2, False, tags))
            metadata = {key: value for key, value in metadata.items() if key != "tags"}
        sources.append((BODY_RANK + 1, False, _metadata_of_body(metadata)))
    if labels:
        sources.append((BODY_RANK + 2, False, parse_label_items(labels)))
    if len(sources) > 1:
        sources.sort(key=_rank)
    return sources


def _rank(source: tuple[int, bool, Parsed]) -> int:
    return source[0]


def _read(header: tuple[bytes, bytes], read: Reader) -> Parsed:
    parsed = _parsed_memo.get(header)
    if parsed is None:
        parsed = read(header[1])
        if len(header[1]) <= MEMO_VALUE_BYTES_MAX:
            if len(_parsed_memo) >= MEMO_ENTRIES_MAX:
                _parsed_memo.clear()
            _parsed_memo[header] = parsed
    return parsed


def _user_of_body(user: str) -> Parsed:
    """`user`, `safety_identifier` or `metadata.user_id`; Claude Code puts its session in the last, not a person."""
    session = claude_code_session(user)
    return parse_members({"session": session} if session is not None else {"user": user})


def _metadata_of_body(metadata: Mapping[str, str]) -> Parsed:
    user = metadata.get("user_id")
    session = claude_code_session(user) if isinstance(user, str) else None
    if session is None:
        return parse_members(metadata)
    rest = {key: value for key, value in metadata.items() if key != "user_id"}
    return parse_members({"session": session, **rest})


def _labels_of_metadata(metadata: Mapping[str, str]) -> Parsed | None:
    """LiteLLM's `metadata.tags`, a JSON array by the time it gets here; None where it is anything else."""
    tags = metadata.get("tags")
    return parse_json(tags.encode()) if isinstance(tags, str) and tags.startswith("[") else None


def claude_code_session(user_id: str) -> str | None:
    """The session in a Claude Code `metadata.user_id`, None if it is anything else.

    Two forms: `user_<hash>_account_<uuid or nothing>_session_<uuid>` and, since 2.1.78, a JSON object with
    `device_id`, `account_uuid`, `session_id`. Source: coder/aibridge pull request 241, 2026-03.
    """
    if user_id.startswith("user_"):
        match = _CLAUDE_CODE_USER.fullmatch(user_id)
        return match[1] if match else None
    if user_id.startswith("{") and len(user_id) <= 4096:
        try:
            return _claude_code_user.decode(user_id).session_id
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
    return None


def _merge(sources: Iterable[tuple[int, bool, Parsed]], telling: list[tuple[bytes, bytes]]) -> _Said:
    pairs: dict[str, str] = {}
    losses: dict[str, int] = {}
    free = 0
    for _, implied, parsed in sources:
        for reason, count in parsed.losses:
            losses[reason] = losses.get(reason, 0) + count
        for key, value in parsed.pairs:
            if key in pairs:
                if pairs[key] != value and not implied:
                    losses["overridden"] = losses.get("overridden", 0) + 1
            elif key in _DIMENSIONS:
                pairs[key] = value
            elif free < TAGS_MAX:
                pairs[key] = value
                free += 1
            else:
                losses["too_many"] = losses.get("too_many", 0) + 1
    ignored = [rule.name for name, _ in telling if (rule := _rules[name]) is not None and rule.read is None]
    return _Said(pairs, losses, ignored)


def _answer(said: _Said, defaults: Attribution) -> Attributed:
    tags = dict(said.pairs)
    take = tags.pop
    feature = take("feature", "") or defaults.feature
    team = take("team", "") or defaults.team
    customer = take("customer", "") or defaults.customer
    environment = take("environment", "") or defaults.environment
    request_type = take("request_type", "") or defaults.request_type
    session = take("session", "") or defaults.session
    agent = take("agent", "") or defaults.agent
    user = take("user", "") or defaults.user
    losses = said.losses
    if defaults.tags:
        tags = {**defaults.tags, **tags}
        if len(tags) > TAGS_MAX:
            over = max(0, len(tags) - max(TAGS_MAX, len(defaults.tags)))
            losses = {**losses, "too_many": losses.get("too_many", 0) + over}
            tags = dict(list(tags.items())[: len(tags) - over])
    attribution = Attribution(
        feature=feature,
        team=team,
        customer=customer,
        environment=environment,
        request_type=request_type,
        session=session,
        agent=agent,
        user=user,
        tags=tags,
    )
    if not (losses or said.ignored):
        return Attributed(attribution)
    dropped, note = _note(tuple(losses.items()), said.ignored)
    return Attributed(attribution, dropped, note)


_KEPT = CHANGED | {"overridden"}


def _note(losses: Losses, ignored: Sequence[str]) -> tuple[int, str]:
    dropped = sum(count for reason, count in losses if reason not in _KEPT)
    ordered = sorted(losses, key=lambda loss: (loss[0] in _KEPT, -loss[1], loss[0]))
    parts = [str(dropped), *(f"{reason}={count}" for reason, count in ordered)]
    names = list(dict.fromkeys(ignored))
    parts += [f"ignored={name}" for name in names[:IGNORED_NAMES_MAX]]
    if len(names) > IGNORED_NAMES_MAX:
        parts.append(f"ignored_more={len(names) - IGNORED_NAMES_MAX}")
    return dropped, "; ".join(parts)[:NOTE_CHARS_MAX]

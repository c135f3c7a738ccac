"""Which request headers say who a call is for, in every gateway's dialect: one table, most binding first.

Source: public documentation of each gateway, April to October 2026, and for Claude Code its "Gateway protocol
reference". docs/attribution.md holds the same table for people; a test compares the two.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from bursar.domain.tags import TAG_VALUE_CHARS_MAX
from bursar.gateway.tag_grammar import (
    NOTHING,
    PairsBeingRead,
    Parsed,
    parse_json,
    parse_labels,
    parse_one,
    parse_tags,
    text,
)

Reader = Callable[[bytes], Parsed]


class Rule(msgspec.Struct, frozen=True):
    """What one header means. `rank`: lower binds more. `read` is None for a header that is seen but not obeyed."""

    rank: int
    name: str
    read: Reader | None
    implied: bool = False  # set by tracing, not by hand: losing to another header is no news


def one(key: str) -> Reader:
    """The whole value is one dimension or one tag."""
    named = parse_one(key, b"x").pairs  # empty for a key that can't be one
    name = named[0][0] if named else ""

    def read(value: bytes) -> Parsed:
        if name and len(value) <= TAG_VALUE_CHARS_MAX and value.isascii():
            plain = value.decode("ascii").strip()
            if plain and plain.isprintable():  # nearly always: the general way costs three times as much
                return Parsed(((name, plain),))
        return parse_one(key, value)

    return read


_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL
)

BAGGAGE_KEYS: dict[str, str] = {
    "session.id": "session",
    "gen_ai.conversation.id": "session",
    "gen_ai.agent.name": "agent",
    "deployment.environment.name": "environment",
}
BAGGAGE_PREFIX = "bursar."
"""Baggage crosses many systems and may hold anything: only OpenTelemetry's names above are read, and ours."""


def read_traceparent(value: bytes) -> Parsed:
    """W3C trace context: the trace id is the session of a call that nothing else gave one."""
    match = _TRACEPARENT.fullmatch(value.strip())
    return parse_one("session", match[1]) if match else NOTHING


def read_baggage(value: bytes) -> Parsed:
    """W3C baggage: allow-listed keys only. The others were never given to us, so they aren't counted as dropped."""
    pairs = PairsBeingRead()
    for member in text(value[:8192]).split(","):  # 8192: what the specification lets one carry
        key, equals, rest = member.partition("=")
        key = key.strip()
        known = key.removeprefix(BAGGAGE_PREFIX) if key.startswith(BAGGAGE_PREFIX) else BAGGAGE_KEYS.get(key)
        if equals and known and not pairs.full:
            pairs.add(known, unquote(rest.partition(";")[0].strip()))
    return pairs.done()


# (header, reader), most binding first: own headers, then the gateways that people move from.
_OWN_AND_GATEWAYS: tuple[tuple[str, Reader], ...] = (
    ("x-bursar-feature", one("feature")),
    ("x-bursar-team", one("team")),
    ("x-bursar-customer", one("customer")),
    ("x-bursar-user", one("user")),
    ("x-bursar-session", one("session")),
    ("x-bursar-agent", one("agent")),
    ("x-bursar-environment", one("environment")),
    ("x-bursar-request-type", one("request_type")),
    ("x-bursar-tags", parse_tags),
    # Prism
    ("x-prism-session", one("session")),
    ("x-prism-tags", parse_tags),
    # LiteLLM: its customer header comes before its end-user header, and both mean the customer
    ("x-litellm-customer-id", one("customer")),
    ("x-litellm-end-user-id", one("customer")),
    ("x-litellm-trace-id", one("session")),
    ("x-litellm-tags", parse_labels),
    ("x-litellm-spend-logs-metadata", parse_json),
    # Portkey
    ("x-portkey-trace-id", one("session")),
    ("x-portkey-metadata", parse_json),
    # Helicone
    ("helicone-user-id", one("user")),
    ("helicone-session-id", one("session")),
    ("helicone-session-path", one("session_path")),
    ("helicone-session-name", one("session_name")),
    ("helicone-prompt-id", one("prompt_id")),
    # Cloudflare AI Gateway
    ("cf-aig-metadata", parse_json),
    # Bifrost
    ("x-bf-session-id", one("session")),
    ("x-bf-customer-id", one("customer")),
    # OpenRouter
    ("x-session-id", one("session")),
    ("x-openrouter-title", one("app")),
    ("x-title", one("app")),
    ("x-openrouter-categories", one("app_categories")),
    ("http-referer", one("app_url")),
    # TrueFoundry, LangWatch, Merge, agentcents
    ("x-tfy-metadata", parse_json),
    ("x-langwatch-metadata", parse_json),
    ("x-project-id", one("project")),
    ("x-agentcents-tag", parse_labels),
    # Amazon Bedrock: what invoke says of itself for AWS's own logs; converse has `requestMetadata` in its body
    ("x-amzn-bedrock-request-metadata", parse_json),
)

# What tools say by themselves; a person who set one of the headers above meant it more.
_TOOLS: tuple[tuple[str, Reader], ...] = (
    # Claude Code
    ("x-claude-code-session-id", one("session")),
    ("x-claude-code-agent-id", one("agent")),
    ("x-claude-code-request-class", one("request_type")),
    ("x-claude-code-parent-agent-id", one("parent_agent")),
    ("x-claude-code-agent-type", one("agent_type")),
    ("x-claude-code-compaction", one("compaction")),
    ("x-claude-code-context-compacted", one("context_compacted")),
    # Codex (the second spelling is that of its older versions), OpenCode, cagent
    ("session-id", one("session")),
    ("session_id", one("session")),
    ("x-openai-subagent", one("request_type")),
    ("x-codex-parent-thread-id", one("parent_agent")),
    ("x-opencode-session", one("session")),
    ("x-cagent-session-id", one("session")),
)

_PREFIX_RANK = 200
_TOOLS_RANK = 300
BODY_RANK = 500  # behind every dialect's header
TRACE_RANK = 600  # behind the body; only the key's defaults bind less

PREFIXES: tuple[tuple[bytes, str, int], ...] = (
    (b"helicone-property-", "helicone-property-<name>", _PREFIX_RANK),
    (b"x-bf-dim-", "x-bf-dim-<key>", _PREFIX_RANK + 1),
    (b"x-bf-prom-", "x-bf-prom-<key>", _PREFIX_RANK + 2),
)
"""One header per tag: what stands behind the prefix is the key."""

NOT_OBEYED: tuple[str, ...] = (
    "x-portkey-custom-host",
    "x-portkey-config",
    "x-portkey-provider",
    "x-portkey-virtual-key",
    "x-portkey-request-timeout",
    "x-portkey-cache-namespace",
    "x-portkey-cache-force-refresh",
    "helicone-model-override",
    "helicone-target-url",
    "helicone-fallbacks",
    "helicone-ratelimit-policy",
    "helicone-cache-enabled",
    "helicone-retry-enabled",
    "cf-aig-custom-cost",
    "cf-aig-cache-ttl",
    "cf-aig-cache-key",
    "cf-aig-request-timeout",
    "x-litellm-timeout",
    "x-litellm-stream-timeout",
    "x-bf-cache-key",
    "x-bf-cache-ttl",
    "x-prism-mode",
    "x-ai-eg-model",
)
"""Would change where a call goes or what it costs: a client may not, so the answer says that it was ignored."""

RULES: dict[bytes, Rule] = {
    **{name.encode(): Rule(rank, name, read) for rank, (name, read) in enumerate(_OWN_AND_GATEWAYS)},
    **{name.encode(): Rule(rank, name, read) for rank, (name, read) in enumerate(_TOOLS, _TOOLS_RANK)},
    **{name.encode(): Rule(900, name, None) for name in NOT_OBEYED},
    b"baggage": Rule(TRACE_RANK, "baggage", read_baggage, implied=True),
    b"traceparent": Rule(TRACE_RANK + 1, "traceparent", read_traceparent, implied=True),
}


class RuleBook(dict[bytes, Rule | None]):
    """Rule of a lower-case header name, None for a name that means nothing to us. Remembers the names it was asked.

    A plain dict lookup for any name seen before; bounded, since a client may invent names.
    """

    NAMES_MAX = 4096
    NAME_BYTES_MAX = 256

    def __missing__(self, name: bytes) -> Rule | None:
        rule = RULES.get(name) or _prefixed(name)
        if len(name) <= self.NAME_BYTES_MAX:
            if len(self) >= self.NAMES_MAX:
                self.clear()
            self[name] = rule
        return rule


def _prefixed(name: bytes) -> Rule | None:
    for prefix, shown, rank in PREFIXES:
        if name.startswith(prefix):
            return Rule(rank, shown, one(text(name[len(prefix) :])))
    return None

"""Faults: demanded by a request for itself, or drawn from a seed for a share of all traffic.

A request asks in any of four places, so that it works through any proxy; the first found wins:
the header `x-sim: {json}`, `metadata.sim`, a `user` / `metadata.user_id` of the form `sim:{json}`, and a model name
with `~{json}` or `~fault` behind it (`gpt-4o~cut`).
"""

import random
from typing import Any

import msgspec

FAULTS = frozenset(
    {
        "reset",  # the connection is reset before any answer
        "early",  # 413 before the body was read, then the connection is closed; by header only
        "slow",  # the first byte comes after `delay_ms` (default 2,000)
        "cut",  # the connection breaks after `after` events, or half-way through a plain body
        "stall",  # after `after` events nothing more comes for `stall_s`, then the connection breaks
        "error_event",  # after `after` events the stream says it failed
        "no_usage",  # a whole answer that says nothing of usage
        "wrong_length",  # the body is shorter than it was announced to be
        "truncate",  # a whole answer that ended at the token limit
        "garbage",  # 200 with a body that is not JSON
        "empty",  # 200 with a body of zero bytes
        "until_close",  # a whole answer without length: it ends with the connection
        "drip",  # a whole answer, a few bytes at a time
    }
)
"""Besides these, any HTTP status of three digits is a fault: "429", "500", "529", "404"."""

STALL_S_DEFAULT = 3600.0
SLOW_MS_DEFAULT = 2000


class BadControl(ValueError):
    """A demand that can't be read. A test with a typo must fail loudly, so it is answered with a 400."""


class Control(msgspec.Struct, forbid_unknown_fields=True):
    """What one request demands. Token counts are disjoint, as in `domain.usage`; None: as it comes."""

    fault: str = ""
    times: int = 0  # only the first so many requests with this `label` fail; 0: each does
    label: str = ""  # written in the log
    after: int = 3  # events of a stream
    retry_after: int | None = None
    code: str = ""  # of a refusal in OpenAI's envelope
    delay_ms: int | None = None
    interval_ms: int | None = None
    stall_s: float = STALL_S_DEFAULT
    chunks: int | None = None  # pieces of text in a stream
    input: int | None = None
    cached: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    searches: int = 0  # paid ones, in Messages
    sound: int | None = None  # tokens of it that a realtime answer has
    reasoning: int | None = None
    text: str | None = None
    tier: str | None = None
    served: str | None = None  # the model name the answer carries; `""`: none
    gzip: bool = False  # compress the body, if the request accepts that

    @property
    def status(self) -> int:
        """The HTTP status demanded; 0: none."""
        return int(self.fault) if self.fault.isdecimal() and len(self.fault) == 3 else 0


_CONTROL = msgspec.json.Decoder(Control, strict=False)
NO_CONTROL = Control()


def read_control(header: str, metadata: Any, user: str, model_suffix: str) -> Control:
    """The demand of one request. Raises BadControl."""
    text = header
    if not text and isinstance(metadata, dict):
        sim = metadata.get("sim", "")
        text = sim if isinstance(sim, str) else msgspec.json.encode(sim).decode()
        user = user or str(metadata.get("user_id") or "")
    if not text and user.startswith("sim:"):
        text = user.removeprefix("sim:")
    if not text:
        text = model_suffix
    if not text:
        return NO_CONTROL
    try:
        control = _CONTROL.decode(text) if text.startswith("{") else Control(fault=text)
    except msgspec.DecodeError as error:
        raise BadControl(f"x-sim: {error}") from error
    if control.fault and control.fault not in FAULTS and not control.status:
        raise BadControl(f"x-sim: unknown fault {control.fault!r}; known: {', '.join(sorted(FAULTS))}, or a status")
    return control


class FaultPlan:
    """Draws faults for a share of the requests, the same ones for the same seed and order of arrival.

    shares: {"429": 0.02, "cut": 0.01}; they must not add up to more than 1.
    """

    def __init__(self, shares: dict[str, float], seed: int) -> None:
        if sum(shares.values()) > 1:
            raise BadControl("the shares of faults add up to more than 1")
        for fault in shares:
            if fault not in FAULTS and not Control(fault=fault).status:
                raise BadControl(f"unknown fault {fault!r}")
        self._shares = list(shares.items())
        self._random = random.Random(seed)
        self._seen: dict[tuple[str, str], int] = {}

    def draw(self) -> str:
        """The fault of the next request, mostly none ("")."""
        if not self._shares:
            return ""
        at = self._random.random()
        for fault, share in self._shares:
            if at < share:
                return fault
            at -= share
        return ""

    def wears_off(self, control: Control) -> bool:
        """Whether a fault that was demanded for a number of times has happened often enough."""
        if not control.times or not control.fault:
            return False
        key = (control.label, control.fault)
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key] > control.times


def parse_shares(text: str) -> dict[str, float]:
    """`429=0.02,cut=0.01` as a table. Raises BadControl."""
    shares: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        fault, _, share = item.partition("=")
        try:
            shares[fault] = float(share)
        except ValueError as error:
            raise BadControl(f"{item!r}: write fault=share, such as 429=0.02") from error
    return shares

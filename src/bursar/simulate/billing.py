"""What the simulated provider bills: its own price table, exact costs, and the log a test compares the ledger with."""

import os
from collections import deque
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from bursar.domain.money import femto_from_usd_per_million, pico_from_femto, usd_from_pico
from bursar.domain.usage import Unit, Usage

LOG_ENTRIES_MAX = 200_000  # kept in memory; the file and the totals keep all
DEFAULT_TIER = "default"
SEARCH_RATE = Decimal(10_000)  # a million of them: Anthropic's price page, 10 USD for a thousand
BATCH = "batch"


class Model(msgspec.Struct, frozen=True):
    """A model as this provider sells it. Rates: USD per million tokens, by class of usage."""

    provider: str
    served: str  # the dated name that answers carry
    kind: str  # "chat" or "embedding"
    reasoning: bool
    output_tokens_max: int
    rates: dict[str, Decimal]
    above_input_tokens: int = 0  # longer prompts are billed wholly at `rates_above`; 0: no such band
    rates_above: dict[str, Decimal] = {}
    tiers: dict[str, dict[str, Decimal]] = {}

    @property
    def bills_cache_writes(self) -> bool:
        return "cache_write_5m" in self.rates


class _Table(msgspec.Struct):
    source: str
    licence: str
    note: str
    models: dict[str, Model]


def load_models() -> dict[str, Model]:
    """The price table by model name, dated names included. Source: prices.json, which names its own."""
    raw = resources.files("bursar.simulate").joinpath("prices.json").read_bytes()
    models = dict(msgspec.json.decode(raw, type=_Table, strict=False).models)
    for model in list(models.values()):
        models.setdefault(model.served, model)
    return models


def cost_pico(model: Model, usage: Usage, tier: str = DEFAULT_TIER) -> int:
    """What the provider bills for an answer: the exact sum of quantity × price, rounded once."""
    rates = model.tiers.get(tier, model.rates)
    if model.above_input_tokens and usage.total_input > model.above_input_tokens:
        rates = model.rates_above
    femto = 0
    for unit, quantity in usage.nonzero():
        rate = SEARCH_RATE if unit == Unit.WEB_SEARCH else rates.get(unit, model.rates["input"])
        femto += quantity * femto_from_usd_per_million(rate)
    return pico_from_femto(femto)


def batch_cost_pico(model: Model, usage: Usage) -> int:
    """What a line of a batch is billed: half of every rate, by both providers' price pages."""
    femto = 0
    for unit, quantity in usage.nonzero():
        femto += quantity * femto_from_usd_per_million(model.rates.get(unit, model.rates["input"]) / 2)
    return pico_from_femto(femto)


class LogEntry(msgspec.Struct, omit_defaults=True):
    """One request as the provider saw it. Times: microseconds since the epoch. No text, no key."""

    seq: int
    request_id: str
    answer_id: str  # "" where the wire has none: embeddings, refusals
    received_us: int
    ended_us: int
    path: str
    dialect: str
    stream: bool
    model_asked: str
    model_served: str
    tier: str
    status: int
    usage: Usage
    cost_pico: int | None  # None: not in the price table, so the provider bills what only it knows
    billed: bool
    completed: bool  # the last byte was written
    fault: str = ""
    label: str = ""
    attempt: str = ""  # what a gateway said of its attempt, if it did
    key_sha256: str = ""  # first 16 hex digits
    body_sha256: str = ""  # first 16 hex digits: did the bytes pass unchanged?
    header_names: list[str] = []


class Bill:
    """Appends entries; keeps totals. With a path, each entry is in the file before its answer's last byte is sent."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: deque[LogEntry] = deque(maxlen=LOG_ENTRIES_MAX)
        self.requests = 0
        self.billed = 0
        self.unpriced = 0
        self.cost_pico = 0
        self.by_model: dict[str, int] = {}
        self._encoder = msgspec.json.Encoder()
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600) if path else -1

    def post(self, entry: LogEntry) -> None:
        self.entries.append(entry)
        self.requests += 1
        if entry.billed:
            self.billed += 1
            if entry.cost_pico is None:
                self.unpriced += 1
            else:
                self.cost_pico += entry.cost_pico
                self.by_model[entry.model_served] = self.by_model.get(entry.model_served, 0) + entry.cost_pico
        if self._fd >= 0:
            os.write(self._fd, self._encoder.encode(entry) + b"\n")

    def summary(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "billed": self.billed,
            "unpriced": self.unpriced,
            "cost_pico": self.cost_pico,
            "cost_usd": str(usd_from_pico(self.cost_pico)),
            "by_model_pico": self.by_model,
        }

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_log(path: Path) -> list[LogEntry]:
    """The entries of a log file; a torn last line is left out."""
    lines = path.read_bytes().split(b"\n")
    decoder = msgspec.json.Decoder(LogEntry)
    return [decoder.decode(line) for line in lines[:-1] if line]

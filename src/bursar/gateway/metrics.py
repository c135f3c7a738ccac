"""Counters of one worker, and the page that adds up all workers.

A scrape reaches any one worker of the node, so each worker writes its counters to a small file once a second and
whoever answers `/metrics` adds the files up. Labels are bounded: models past MODELS_MAX count as "other".
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bursar.domain.money import plain, usd_from_pico
from bursar.spool.records import Settled

MODELS_MAX = 100
FILE_IN_USE = "bursar_file_in_use_us"
LATENCY_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

HELP = {
    "bursar_calls_total": ("counter", "Calls by dialect and outcome."),
    "bursar_attempts_total": ("counter", "Attempts at a provider by outcome and quality of the charge."),
    "bursar_cost_pico_usd_total": ("counter", "List cost posted, in pico-USD (1e-12 USD)."),
    "bursar_cost_usd_total": ("counter", "List cost posted, in USD."),
    "bursar_tokens_total": ("counter", "Tokens by class."),
    "bursar_refused_total": ("counter", "Calls that Bursar refused, by error code."),
    "bursar_double_retries_total": ("counter", "Requests retried by the client's SDK and by Bursar both."),
    "bursar_first_bill_waits_total": ("counter", "Waits of calls for the first bill of their model."),
    "bursar_retries_capped_total": ("counter", "Retries that the hourly cap on what they cost didn't allow."),
    "bursar_shadows_sent_total": ("counter", "Shadows that went to a candidate, by route."),
    "bursar_shadows_dropped_total": ("counter", "Calls of the sample that no shadow followed, by route and reason."),
    "bursar_semantic_embeddings_total": ("counter", "Questions that an upstream embedded for the semantic cache."),
    "bursar_semantic_embeddings_dropped_total": ("counter", "Questions that have no vector, by upstream and reason."),
    "bursar_semantic_dropped_total": ("counter", "Comparisons of the semantic cache that were too slow, or too many."),
    "bursar_semantic_faults_total": ("counter", "Comparisons of the semantic cache that failed."),
    "bursar_call_seconds": ("histogram", "Time from the request's last byte to the answer's last byte."),
    "bursar_in_flight": ("gauge", "Calls under way."),
    "bursar_budgets": ("gauge", "Budgets in force, over all workers."),
    FILE_IN_USE: (
        "gauge",
        "When the controls, budgets or prices that a worker goes by were written, µs since 1970.",
    ),
    "bursar_journal_backlog": ("gauge", "Records waiting for the journal."),
    "bursar_journal_failures_total": ("counter", "Writes that the journal refused."),
    "bursar_journal_lost_total": ("counter", "Records that not even the backlog could hold."),
    "bursar_upstream_resting": ("gauge", "Workers that put the upstream behind others: it failed, or asked for it."),
    "bursar_upstream_has_key": ("gauge", "Workers that have a key of the operator's for the upstream, or need none."),
    "bursar_upstream_connections": ("gauge", "Connections to providers by state."),
}

Row = tuple[tuple[str, ...], int]
"""((metric, "label=value", …), value)"""

FOLD_AT = 256

_BUCKETS_US = [int(bound * 1_000_000) for bound in LATENCY_BUCKETS_S]


class Metrics:
    """What happened in this worker.

    `settled` runs on the way of each call, so it only keeps; every FOLD_AT ends are counted together, which costs half
    as much an end: the code that counts is warm then. Labels are written later still.
    """

    def __init__(self) -> None:
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._kept: list[tuple[Settled, str, str, str, int]] = []
        self._ends: defaultdict[tuple[str, str, str, str, str], int] = defaultdict(int)
        self._cost_pico: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._durations = [0] * (len(_BUCKETS_US) + 1)
        self._duration_us = 0
        self._models: set[str] = set()

    def count(self, *key: str, by: int = 1) -> None:
        """`count("bursar_refused_total", "code=bad_request")`"""
        self.counts[key] += by

    def settled(self, record: Settled, provider: str, dialect: str, model: str, received_us: int) -> None:
        """One attempt's end."""
        self._kept.append((record, provider, dialect, model, received_us))
        if len(self._kept) >= FOLD_AT:
            self._fold()

    def rows(self) -> Iterator[Row]:
        """All counters with their labels."""
        self._fold()
        yield from self.counts.items()
        attempts: Counter[tuple[str, str, str]] = Counter()
        calls: Counter[tuple[str, str]] = Counter()
        for (provider, outcome, quality, dialect, call_outcome), count in self._ends.items():
            attempts[provider, outcome, quality] += count
            if call_outcome:
                calls[dialect, call_outcome] += count
        for (provider, outcome, quality), count in attempts.items():
            yield ("bursar_attempts_total", f"provider={provider}", f"outcome={outcome}", f"quality={quality}"), count
        for (dialect, outcome), count in calls.items():
            yield ("bursar_calls_total", f"dialect={dialect}", f"outcome={outcome}"), count
        for (provider, model), pico in self._cost_pico.items():
            yield ("bursar_cost_pico_usd_total", f"provider={provider}", f"model={model}"), pico
        for (provider, unit), quantity in self._tokens.items():
            yield ("bursar_tokens_total", f"provider={provider}", f"class={unit}"), quantity
        for bound, count in zip((*LATENCY_BUCKETS_S, "+Inf"), self._durations, strict=True):
            yield ("bursar_call_seconds_bucket", f"le={bound}"), count
        yield ("bursar_call_seconds_sum_us",), self._duration_us

    def write(self, path: Path) -> None:
        """Replace the worker's file in one step."""
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(list(self.rows())))
        temporary.replace(path)

    def _fold(self) -> None:
        """Count what was kept."""
        for record, provider, dialect, model, received_us in self._kept:
            call_outcome = record.call_outcome if record.final else ""  # one place to count in costs half of two
            self._ends[provider, record.outcome, record.quality, dialect, call_outcome] += 1
            if record.list_pico:
                label = model if model in self._models else self._model(model)
                self._cost_pico[provider, label] += record.list_pico
            for unit, quantity, _ in record.lines:
                self._tokens[provider, unit] += quantity
            if record.final:
                took_us = record.ended_us - received_us
                self._durations[bisect_left(_BUCKETS_US, took_us)] += 1
                self._duration_us += took_us
        self._kept.clear()

    def _model(self, model: str) -> str:
        if len(self._models) >= MODELS_MAX:
            return "other"
        self._models.add(model)
        return model


def counts_in(directory: Path) -> dict[tuple[str, ...], int]:
    """The sum over all workers' files, by name and labels."""
    total: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for path in sorted(directory.glob("metrics-*.json")):
        try:
            rows = msgspec.json.decode(path.read_bytes(), type=list[tuple[list[str], int]])
        except (OSError, msgspec.DecodeError):
            continue  # a worker is just going; its last numbers come with the next scrape
        for key, value in rows:
            total[tuple(key)] += value
    return total


def page(directory: Path) -> bytes:
    """The Prometheus text page."""
    total = counts_in(directory)
    return ("\n".join(_lines(total)) + "\n").encode()


def _lines(total: dict[tuple[str, ...], int]) -> list[str]:
    lines: list[str] = []
    for name, (kind, text) in HELP.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        if kind == "histogram":
            lines += _histogram(name, total)
        elif name == "bursar_cost_usd_total":
            for key, value in sorted(total.items()):
                if key[0] == "bursar_cost_pico_usd_total":
                    lines.append(f"{name}{_labels(key[1:])} {plain(usd_from_pico(value))}")
        else:
            lines += [f"{name}{_labels(key[1:])} {value}" for key, value in sorted(total.items()) if key[0] == name]
    return lines


def _histogram(name: str, total: dict[tuple[str, ...], int]) -> list[str]:
    lines = []
    running = 0
    for bound in (*map(str, LATENCY_BUCKETS_S), "+Inf"):
        running += total.get((name + "_bucket", f"le={bound}"), 0)
        lines.append(f'{name}_bucket{{le="{bound}"}} {running}')
    seconds = usd_from_pico(total.get((name + "_sum_us",), 0) * 1_000_000)  # micros as decimal seconds, exactly
    return [*lines, f"{name}_sum {plain(seconds)}", f"{name}_count {running}"]


def _labels(pairs: tuple[str, ...]) -> str:
    if not pairs:
        return ""
    cells = []
    for pair in pairs:
        label, _, value = pair.partition("=")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        cells.append(f'{label}="{escaped}"')
    return "{" + ",".join(cells) + "}"

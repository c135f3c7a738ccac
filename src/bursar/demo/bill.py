"""What the made-up company's second provider bills for the month before: a cost and a usage report as Anthropic's are,
with what real bills have: a price that rose, a key nobody told of, a credit, and answers whose end we never saw."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.usage import Unit

PROVIDER = "anthropic"
DEAREST_FROM_DAY, RAISED = 21, Decimal("1.1")
LAB_KEY, LAB_MODEL, LAB_DAYS = "apikey_lab", "claude-opus-4-8", range(8, 13)
LAB_USAGE = {Unit.INPUT: (2_400_000, Decimal(5)), Unit.OUTPUT: (310_000, Decimal(25))}
CREDIT = Decimal(-25)
_MILLION = Decimal(1_000_000)
_TYPES = {
    Unit.INPUT: "uncached_input_tokens",
    Unit.CACHE_READ: "cache_read_input_tokens",
    Unit.CACHE_WRITE_5M: "cache_creation.ephemeral_5m_input_tokens",
    Unit.CACHE_WRITE_1H: "cache_creation.ephemeral_1h_input_tokens",
    Unit.OUTPUT: "output_tokens",
}
_Row = tuple[date, str, str]


class DemoBill:
    """Adds up what the provider answered in the last whole month before `now_us`."""

    def __init__(self, now_us: int) -> None:
        today = datetime_from_us(now_us).date()
        self.until = today.replace(day=1)
        self.since = (self.until - timedelta(days=1)).replace(day=1)
        self.teams: set[str] = set()
        self._counts: dict[_Row, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._femto: dict[_Row, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def note(self, at_us: int, team: str, model: str, lines: list[tuple[str, int, int]]) -> None:
        """An answer: (class, quantity, femto-USD a unit)."""
        day = datetime_from_us(at_us).date()
        if not self.since <= day < self.until:
            return
        self.teams.add(team)
        for unit, quantity, femto in lines:
            if unit in _TYPES:
                self._counts[day, team, model][unit] += quantity
                self._femto[day, team, model][unit] += quantity * femto

    def _most_used(self) -> str:
        """The model whose output cost the most."""
        sums: dict[str, int] = defaultdict(int)
        for (_, _, model), femto in self._femto.items():
            sums[model] += femto.get(Unit.OUTPUT, 0)
        return max(sums, key=lambda model: sums[model], default="")

    def reports(self) -> tuple[bytes, bytes]:
        """The cost report and the usage report; empty where the month has no answers."""
        costs: dict[date, list[dict[str, Any]]] = defaultdict(list)
        usage: dict[date, list[dict[str, Any]]] = defaultdict(list)
        raised = self._most_used()
        for (day, team, model), counts in sorted(self._counts.items()):
            usage[day].append(_usage(f"apikey_{team}", team, model, counts))
            for unit, femto in self._femto[day, team, model].items():
                usd = Decimal(femto).scaleb(-15)
                if model == raised and unit == Unit.OUTPUT and day.day >= DEAREST_FROM_DAY:
                    usd *= RAISED
                costs[day].append(_cost(team, model, unit, usd))
        if not costs:
            return b"", b""
        for number in LAB_DAYS:
            day = self.since.replace(day=number)
            counts = {unit: quantity for unit, (quantity, _) in LAB_USAGE.items()}
            usage[day].append(_usage(LAB_KEY, "lab", LAB_MODEL, counts))
            costs[day] += [
                _cost("lab", LAB_MODEL, unit, quantity * rate / _MILLION)
                for unit, (quantity, rate) in LAB_USAGE.items()
            ]
        last = self.until - timedelta(days=1)
        costs[last].append(_cost("", "", "", CREDIT) | {"cost_type": "credit", "description": "Promotional credit"})
        return _page(costs), _page(usage)


def _cost(team: str, model: str, unit: str, usd: Decimal) -> dict[str, Any]:
    """Amounts are text, in cents."""
    return {
        "amount": format((usd * 100).normalize(), "f"),
        "currency": "USD",
        "cost_type": "tokens",
        "token_type": _TYPES[Unit(unit)] if unit else None,
        "context_window": "0-200k" if unit else None,
        "description": f"{model} usage",
        "model": model or None,
        "service_tier": "standard" if unit else None,
        "inference_geo": None,
        "workspace_id": f"wrkspc_{team}" if team else None,
    }


def _usage(key: str, team: str, model: str, counts: dict[Any, int]) -> dict[str, Any]:
    return {
        "uncached_input_tokens": counts.get(Unit.INPUT, 0),
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts.get(Unit.CACHE_WRITE_5M, 0),
            "ephemeral_1h_input_tokens": counts.get(Unit.CACHE_WRITE_1H, 0),
        },
        "cache_read_input_tokens": counts.get(Unit.CACHE_READ, 0),
        "output_tokens": counts.get(Unit.OUTPUT, 0),
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": key,
        "workspace_id": f"wrkspc_{team}",
        "model": model,
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": None,
    }


def _page(buckets: dict[date, list[dict[str, Any]]]) -> bytes:
    data = [
        {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z", "results": results}
        for day, results in sorted(buckets.items())
    ]
    return msgspec.json.encode({"data": data, "has_more": False, "next_page": None})

"""`domain/display` in one installation's locale, currency and zone, as HTML that a template can print.

Everything a client wrote is escaped here or by the template; the only markup made by hand is the dim currency sign.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from markupsafe import Markup

from bursar.console import charts
from bursar.domain import display
from bursar.domain.display import Shown

WORDS = {
    "feature": "Feature", "team": "Team", "customer": "Customer", "environment": "Environment",
    "request_type": "Request type", "session": "Session", "agent": "Agent", "user": "User", "model": "Model",
    "model_asked": "Model asked for", "provider": "Provider", "credential_id": "Key", "credential": "Key",
    "project": "Project", "scope_team": "Key's team", "outcome": "Outcome", "quality": "How sure",
    "operation": "Operation", "upstream": "Upstream", "error_code": "Error", "retry_cause": "Cause of retry",
    "client": "Client", "lever": "Saved by", "saved": "Saving by", "hour": "Hour", "day": "Day", "week": "Week",
    "month": "Month", "dialect": "Dialect", "region": "Region", "tier_served": "Tier",
    "finish_reason": "Ended by", "call_id": "Call", "ok": "ok", "client_error": "client error",
    "provider_error": "provider error", "timeout": "time-out", "input": "input, uncached", "cache_read": "cache read",
    "cache_write_5m": "cache write, 5 min", "cache_write_1h": "cache write, 1 h", "input_audio": "audio in",
    "cache_read_audio": "audio, cache read", "input_image": "images in", "output": "output",
    "output_audio": "audio out", "output_image": "images out", "web_search": "web searches", "request": "per request",
    "characters": "characters spoken", "audio_seconds": "seconds of sound", "images": "images, each",
    "cache_storage": "cache storage", "cache_storage_part": "part of a token-hour",
    "reasoning": "reasoning", "prompt_cache": "prompt cache", "response_cache": "response cache",
    "semantic_cache": "semantic cache",
}  # fmt: skip
"""What the domain's names are called on a page. One not listed is shown as it is."""

PLURALS = {"key": "keys", "quality": "qualities"}


class Format:
    """How figures read on one page: `f.money(amount)` in a template."""

    def __init__(self, locale: str, currency: str, zone: tzinfo, now: datetime) -> None:
        self.locale = locale
        self.currency = currency
        self.zone = zone
        self.now = now

    def money(
        self, amount: Decimal | None, *, estimated: bool = False, signed: bool = False, places: int | None = None
    ) -> Markup:
        """An amount with its sign dim and every digit on hover."""
        return self._html(
            display.money(amount, self.currency, self.locale, estimated=estimated, signed=signed, places=places)
        )

    def plain_money(self, amount: Decimal | None, *, estimated: bool = False) -> str:
        return str(display.money(amount, self.currency, self.locale, estimated=estimated))

    def money_tick(self, value: Decimal, step: Decimal) -> str:
        """An axis label: only the decimals that its step needs."""
        if value == 0:
            return "0"
        if value >= 100_000:
            symbol = display.currency_symbol(self.currency, self.locale)
            return f"{symbol}{display.compact(value, self.locale)}".replace(display.THIN, "")
        places = max(0, -int(step.normalize().as_tuple().exponent))
        if step >= 1 and places:
            places = 2  # $2.50, as money is written
        return str(display.money(value, self.currency, self.locale, places=places))

    def compact_tick(self, value: Decimal, step: Decimal) -> str:
        return "0" if value == 0 else display.compact(value, self.locale)

    def receipt(self, amount: Decimal | None, places: int, *, estimated: bool = False) -> Markup:
        """An exact amount, its decimals lined up with the others' by invisible zeros."""
        if amount is None:
            return self.money(None)
        exact = format(amount.normalize(), "f")
        whole, _, decimals = exact.lstrip("-").partition(".")
        sign = display.MINUS if amount < 0 else ""
        symbol = display.currency_symbol(self.currency, self.locale)
        shown = f"{display.count(int(whole), self.locale) if int(whole) else '0'}.{decimals.ljust(2, '0')}"
        pad = "0" * (places - max(2, len(decimals)))
        return Markup('{}{}<span class="cur">{}</span>{}<span class="pad" aria-hidden="true">{}</span>').format(
            "≈ " if estimated else "", sign, symbol, shown, pad
        )

    def difference(self, now: Decimal | int | None, before: Decimal | int | None) -> str:
        """An absolute change, for hover."""
        if now is None or before is None:
            return "not comparable"
        if isinstance(now, Decimal):
            return str(display.money(now - before, self.currency, self.locale, signed=True))
        return f"{'+' if now > before else ''}{display.count(int(now - before), self.locale)}"

    def unit_price(self, amount: Decimal, unit: str) -> str:
        return display.unit_price(amount, unit, self.currency, self.locale)

    def count(self, number: int | None) -> str:
        return display.count(number, self.locale)

    def compact(self, number: int | Decimal | None) -> str:
        return display.compact(number, self.locale)

    def percent(self, part: Decimal | int | None, whole: Decimal | int | None) -> str:
        return display.percent(part, whole)

    def change(self, now: Decimal | int | None, before: Decimal | int | None) -> display.Change:
        return display.change(now, before)

    def latency(self, ms: float | None) -> str:
        return display.latency(ms)

    def size(self, number: int | None) -> str:
        return display.size(number)

    def short_id(self, text: str) -> str:
        return display.short_id(text)

    def moment(self, at: datetime | None, *, millis: bool = False) -> str:
        return display.ZERO if at is None else display.moment(aware(at), self.zone, millis=millis)

    def when(self, at: datetime | None) -> str:
        return display.ZERO if at is None else display.when(aware(at), self.now, self.zone)

    def day(self, at: date, *, year: bool = True) -> str:
        """at: an instant, whose day is the reader's; or a calendar day as it is, as a rule's first one."""
        return display.day(aware(at).astimezone(self.zone) if isinstance(at, datetime) else at, year=year)

    def field(self, name: str) -> str:
        """A dimension's name as a heading: `request_type` → "Request type", `tag:plan` → "plan"."""
        return name.removeprefix("tag:") if name.startswith("tag:") else WORDS.get(name, name.replace("_", " "))

    def fields(self, name: str) -> str:
        """Its lower-case plural: "features"."""
        single = self.field(name).lower()
        return PLURALS.get(single, f"{single}s") if not name.startswith("tag:") else f"values of {single}"

    def word(self, name: str) -> str:
        return WORDS.get(name, name.replace("_", " "))

    def sparkline(self, values: Sequence[Decimal | None]) -> tuple[str, str] | None:
        return charts.sparkline(values)

    def _html(self, shown: Shown) -> Markup:
        if not shown.symbol:
            kind = "faint" if shown.digits == display.ZERO else "doubt"
            return Markup('<span class="{}" title="{}">{}</span>').format(kind, shown.exact, shown.digits)
        return Markup('<span title="{}">{}{}<span class="cur">{}</span>{}</span>').format(
            shown.exact, shown.approx, shown.sign, shown.symbol, shown.digits
        )


def aware(at: datetime) -> datetime:
    """The ledger's times are naive UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)

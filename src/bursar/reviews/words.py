"""How a review words its figures: one locale and currency, plain text."""

from decimal import Decimal

import msgspec

from bursar.domain import display

UNNAMED = {
    "feature": "calls without a feature",
    "customer": "calls without a customer",
    "model": "calls without a model",
}


class Words(msgspec.Struct, frozen=True):
    """`words.money(amount)`, `words.more(now, before)`; nothing of it rounds what is kept."""

    locale: str = "en_US"
    currency: str = "USD"

    def money(self, amount: Decimal | None, *, estimated: bool = False) -> str:
        if amount is not None and amount == 0:
            return "nothing"
        return str(display.money(amount, self.currency, self.locale, estimated=estimated))

    def count(self, number: int) -> str:
        return "no" if not number else display.count(number, self.locale)

    def calls(self, number: int) -> str:
        return f"{self.count(number)} call{'' if number == 1 else 's'}"

    def attempts(self, number: int) -> str:
        return f"{self.count(number)} attempt{'' if number == 1 else 's'}"

    def tokens(self, number: Decimal | int) -> str:
        return f"{display.compact(number, self.locale)} token{'' if number == 1 else 's'}"

    def share(self, part: Decimal | int, whole: Decimal | int) -> str:
        return display.percent(part, whole) if part else "nothing"

    def more(self, now: Decimal | int, before: Decimal | int, unit: str = "much") -> str:
        """ "12.4 % more", "13× as much", "8 % less", "new", "as much". unit: "many" of what is counted."""
        change = display.change(now, before)
        if change.direction == "up":
            return f"{change.text} as {unit}" if change.text.endswith("×") else f"{change.text} more"
        if change.direction == "down":
            return f"{change.text} {'fewer' if unit == 'many' else 'less'}"
        return {"new": "new", "gone": "gone", "same": f"as {unit}"}[change.direction]

    def than(self, now: Decimal | int, before: Decimal | int, what: str) -> str:
        """The same with what it is held against: "8 % less than in May", "13× as much as in May", "new"."""
        said = self.more(now, before)
        if said in ("new", "gone"):
            return said
        return f"{said} {'as' if said.endswith('as much') else 'than'} {what}"

    def rise(self, amount: Decimal) -> str:
        """A difference as a noun: "$12.40 more", "$3.10 less"."""
        if amount == 0:
            return "no change"
        return f"{self.money(abs(amount))} {'more' if amount > 0 else 'less'}"

    def named(self, dimension: str, value: str) -> str:
        """As `name`, at the start of a sentence, with whose it is but for a feature: "Customer acme", "search"."""
        if not value:
            return display.sentence(self.name(dimension, value))
        if dimension == "feature":
            return value
        return f"{display.sentence(dimension.replace('_', ' '))} {value}"

    def name(self, dimension: str, value: str) -> str:
        return value or UNNAMED.get(dimension, f"calls without a {dimension.replace('_', ' ')}")

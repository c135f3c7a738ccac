"""A case: what was said of one payment, bill or document, read once and asked by meaning.

Nothing is guessed: what a rule needs and nobody said is asked for by name.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from bursar.domain.errors import BadTax
from bursar.finance.tax.exact import HUNDRED, divided, times, total
from bursar.finance.tax.vocabulary import (
    CURRENCIES,
    Input,
    exchange_purpose,
    nearest,
    read_country,
    read_day,
    read_decimal,
    read_flag,
    read_word,
    understand,
)

PREPAID = re.compile(r"prepa|advance|credits?_(?:purchase|bought)|top_?up")
QUOTED = re.compile(r"([a-z]{3})_per_([a-z]{3})(?:_|$)")
LINE_PREFIXES = (
    "indian_entity_", "foreign_entity_", "aws_india_", "aws_inc_", "indian_line_", "foreign_line_", "domestic_",
    "marketplace_line_", "indian_", "foreign_", "forward_", "reverse_", "line_1_", "line_2_", "line_3_", "line_4_",
)  # fmt: skip
INDIAN_PREFIXES = ("indian", "aws_india", "domestic", "forward")
FOREIGN_PREFIXES = ("foreign", "aws_inc", "reverse", "marketplace")

_COMPANY: dict[str, bool] = {}
_HALF = {"payer_is_bank_or_nbfc": True}
_SEZ = {"payer_sez": True}
_OTHER_PAYEE = {"vendor_is_foreign_company": False}
PAYER_TYPES: dict[str, dict[str, bool]] = {
    "company": _COMPANY, "business": _COMPANY, "registered": _COMPANY, "regular": _COMPANY,
    "registered_business": _COMPANY,
    "gst_registered": _COMPANY, "domestic_company": _COMPANY, "b2b": _COMPANY, "llp": _COMPANY,
    "bank": _HALF, "nbfc": _HALF, "financial_institution": _HALF, "bank_or_nbfc": _HALF,
    "sez": _SEZ, "sez_unit": _SEZ, "sez_developer": _SEZ,
    "composition_dealer": {"composition_dealer": True}, "composition": {"composition_dealer": True},
    "unregistered": {"payer_gst_registered": False}, "consumer": {"payer_gst_registered": False},
    "individual": {"payer_gst_registered": False}, "b2c": {"payer_gst_registered": False},
}  # fmt: skip
DOCUMENT_TYPES = {"invoice": False, "bill": False, "tax_invoice": False, "debit_note": False, "payment": False,
                  "credit_note": True, "refund": True}  # fmt: skip
"""Whether the amount of such a document lies below zero."""
VENDOR_TYPES: dict[str, dict[str, bool]] = {
    "company": _COMPANY, "foreign_company": _COMPANY, "corporation": _COMPANY, "llc": _COMPANY, "gmbh": _COMPANY,
    "individual": _OTHER_PAYEE, "firm": _OTHER_PAYEE, "llp": _OTHER_PAYEE, "partnership": _OTHER_PAYEE,
    "trust": _OTHER_PAYEE, "aop": _OTHER_PAYEE, "person": _OTHER_PAYEE,
}  # fmt: skip

RateOf = Callable[[str, str, str, date], "tuple[Decimal, str] | None"]
"""(purpose, currency, into, day) to a kept rate and what it is told by; None: none is known."""
KEPT_PURPOSES = ("gst", "tds", "books")


class Case:
    """values: by meaning. fx: rates of exchange by purpose and day (None: no day was said).

    rate_of: answers where the case itself states none; into: the payer's currency.
    """

    def __init__(
        self, inputs: Mapping[str, Any], *, lenient: bool = False, rate_of: RateOf | None = None, into: str = "INR"
    ) -> None:
        self.rate_of = rate_of
        self.into = into
        self.rates_told: dict[str, None] = {}
        self.values: dict[str, Any] = {}
        self.currencies: dict[str, str] = {}
        self.used: list[tuple[date | None, Decimal]] = []
        self.fx: dict[str, dict[date | None, Decimal]] = {}
        self.quoted: dict[Decimal, str] = {}  # of a rate named A_per_B: A
        self.ignored: list[str] = []
        self.raw = dict(inputs)
        self.line_names: set[str] = set()
        lines: dict[str, dict[str, Any]] = {}
        for name, value in inputs.items():
            if self._take(name, value):
                continue
            prefix = next((one for one in LINE_PREFIXES if name.lower().startswith(one)), "")
            if prefix and (understand(name[len(prefix) :]) or exchange_purpose(name[len(prefix) :])):
                lines.setdefault(prefix.strip("_"), {})[name[len(prefix) :]] = value
                self.line_names.add(name)
            elif lenient:
                self.ignored.append(name)
            else:
                hint = f"; did you mean {nearest(name)!r}?" if nearest(name) else ""
                raise BadTax(
                    f"{name}: no input is called that{hint} (docs/tax.md lists them; `note` holds anything)", field=name
                )
        self._lines_from_prefixes(lines)
        self._say_types()

    def has(self, *names: str) -> bool:
        return any(name in self.values for name in names)

    def flag(self, name: str, default: bool) -> bool:
        return bool(self.values.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        return str(self.values.get(name, default))

    def day(self, *names: str) -> date | None:
        """The first of several that was said."""
        return next((self.values[name] for name in names if name in self.values), None)

    def earliest(self, *names: str) -> date | None:
        found = [self.values[name] for name in names if name in self.values]
        return min(found) if found else None

    def money(self, name: str) -> Decimal | None:
        return self.values.get(name)

    def need_money(self, name: str, why: str) -> Decimal:
        found = self.money(name)
        if found is None:
            raise BadTax(f"{name}: is needed: {why}", field=name)
        return found

    def need_day(self, why: str, *names: str) -> date:
        found = self.day(*names)
        if found is None:
            raise BadTax(f"{names[0]}: a day is needed: {why}", field=names[0])
        return found

    def rate(self, name: str) -> Decimal | None:
        return self.values.get(name)

    def percent(self, name: str) -> Decimal | None:
        return self.values.get(name)

    @property
    def currency(self) -> str:
        """Of the document; of its amount's name, or as it says."""
        return self.text("invoice_currency").upper() or self.currencies.get("amount", "")

    @property
    def amount(self) -> Decimal | None:
        return self.money("amount")

    def exchange(self, purpose: str, day: date | None, *, last_before: bool = False) -> Decimal | None:
        """Rupees (or the payer's currency) for one unit of the document's; None where none was said.

        last_before: the newest one before the day will do, where the day has none.
        """
        for known in (self.fx.get(purpose, {}), self.fx.get("any", {})):
            if day in known:
                return self._into(known[day])
            if None in known:
                return self._into(known[None])
            earlier = [one for one in known if one is not None and day is not None and one <= day]
            if last_before and earlier:
                return self._into(known[max(earlier)])
            if day is None and len(known) == 1:
                return self._into(next(iter(known.values())))
        return self._kept(purpose, day)

    def _kept(self, purpose: str, day: date | None) -> Decimal | None:
        if self.rate_of is None or day is None or not self.currency or purpose not in KEPT_PURPOSES:
            return None
        found = self.rate_of(purpose, self.currency, self.into, day)
        if found is None:
            return None
        self.rates_told[found[1]] = None
        return found[0]

    def _into(self, rate: Decimal) -> Decimal:
        """For one unit of the document's currency: a rate named `usd_per_eur` is turned round for a bill in USD."""
        return divided(Decimal(1), rate) if self.quoted.get(rate) == self.currency else rate

    def need_exchange(self, purpose: str, day: date | None, *, last_before: bool = False) -> Decimal:
        """Raises BadTax that names the field which would say it."""
        found = self.exchange(purpose, day, last_before=last_before)
        if found is None and day is None:
            raise BadTax(
                "payment_date: the day that the rate of exchange is of isn't known: say payment_date, "
                f"self_invoice_date or booking_date, or a rate without a day as fx_{purpose}_rate",
                field="payment_date",
            )  # fmt: skip
        if found is None:
            names = {"gst": "fx_gst_policy_rate", "tds": "fx_tds_ttbr", "books": "fx_booking_rate",
                     "bank": "bank_selling_rate"}  # fmt: skip
            field = f"{names.get(purpose, f'fx_{purpose}_rate')}_on_{day:%Y_%m_%d}" if day else f"fx_{purpose}_rate"
            others = ", ".join(sorted(str(one) for one in self.fx.get(purpose, {}) if one)) or "none"
            raise BadTax(
                f"{field}: the rate of that day is needed (days that have one: {others}); rates of other days are "
                "not taken in its place", field=field,
            )  # fmt: skip
        return found

    def replaced(self, name: str, value: Any, *, without: tuple[str, ...] = ()) -> "Case":
        """What if one thing were otherwise: the case with it."""
        dropped = {name, *without}
        kept = {
            raw: one for raw, one in self.raw.items() if not ((read := understand(raw)) and read.input.name in dropped)
        }
        return Case({**kept, name: value}, lenient=True, rate_of=self.rate_of, into=self.into)

    def _take(self, name: str, value: Any) -> bool:
        read = understand(name)
        if read is None:
            return self._take_exchange(name, value)
        if read.input.kind == "ignored" or value is None:
            return True
        if read.input.name == "used" and not isinstance(value, list | Mapping):
            self.used.append((read.day, read_decimal(name, value)))
        meaning = "used_list" if read.input.name == "used" and isinstance(value, list | Mapping) else read.input.name
        found = self._read(name, read.input, read.suffix, value)
        if meaning == "lines":
            self.line_names.add(name)
        if meaning in self.values and self.values[meaning] != found and meaning != "used":
            raise BadTax(f"{name}: {read.input.name} is said twice, and differently", field=name)
        self.values[meaning] = found
        if read.input.kind == "money" and read.suffix:
            self.currencies[meaning] = read.suffix
        if meaning == "amount" and PREPAID.search(name.lower()):
            self.values.setdefault("is_prepaid", True)
        if meaning == "invoice_and_booking_date":
            self.values.setdefault("invoice_date", found)
            self.values.setdefault("booking_date", found)
        return True

    def _take_exchange(self, name: str, value: Any) -> bool:
        found = exchange_purpose(name)
        if found is None:
            return False
        purpose, day = found
        rate = read_decimal(name, value)
        if rate <= 0:
            raise BadTax(f"{name}: {value!r}; a rate of exchange is above 0", field=name)
        pair = QUOTED.search(name.lower())
        if pair and pair[1] in CURRENCIES and pair[2] in CURRENCIES:
            self.quoted[rate] = pair[1].upper()
        self.fx.setdefault(purpose, {})[day] = rate
        return True

    def _read(self, name: str, known: Input, suffix: str, value: Any) -> Any:
        match known.kind:
            case "money":
                if isinstance(value, Mapping):
                    return self._used_map(name, value)
                return self._used_list(name, value) if isinstance(value, list) else read_decimal(name, value)
            case "rate":
                found = read_decimal(name, value)
                found = found / HUNDRED if suffix in ("_pct", "_percent") or str(value).strip().endswith("%") else found
                if not 0 <= found < 1:
                    raise BadTax(f"{name}: {value!r}; a rate is a fraction from 0 to below 1, 0.18 is 18 %", field=name)
                return found
            case "pct":
                found = read_decimal(name, value)
                found = times(found, HUNDRED) if suffix in ("_ratio", "_fraction") else found
                if not 0 <= found <= HUNDRED:
                    raise BadTax(f"{name}: {value!r}; a share is from 0 to 100 per cent", field=name)
                return found
            case "flag":
                return read_flag(name, value)
            case "date":
                return read_day(name, value)
            case "country":
                return read_country(name, value)
            case "texts":
                return [str(one) for one in value] if isinstance(value, list) else [str(value)]
            case "number":
                return read_decimal(name, value)
            case "shares":
                return self._shares(name, value)
            case "lines":
                return self._lines(name, value)
        return read_word(name, known, value)

    def _used_list(self, name: str, value: list[Any]) -> Decimal:
        for one in value:
            told = dict(one) if isinstance(one, Mapping) else {"amount": one}
            day = read_day(name, told["date"]) if told.get("date") else None
            amount = next((found for key, found in told.items() if key != "date"), None)
            self.used.append((day, read_decimal(name, amount)))
        return total(amount for _, amount in self.used)

    def _used_map(self, name: str, value: Mapping[str, Any]) -> Decimal:
        """`{"2026-10": "1200.00"}`: use by month or day."""
        return self._used_list(
            name, [{"date": key if len(key) > 7 else f"{key}-01", "amount": one} for key, one in value.items()]
        )

    def _shares(self, name: str, value: Any) -> dict[str, Decimal]:
        if not isinstance(value, Mapping) or not value:
            raise BadTax(f'{name}: write an object of states and users: {{"TX": 40, "CA": 60}}', field=name)
        return {str(key).upper().removeprefix("US-"): read_decimal(name, one) for key, one in value.items()}

    def _lines(self, name: str, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
            raise BadTax(f"{name}: write a list of objects, one a line of the bill", field=name)
        return [dict(one) for one in value]

    def _say_types(self) -> None:
        """What a payer or vendor is, said in one word, as the flags it stands for. Raises BadTax for another word."""
        for field, known in (("payer_type", PAYER_TYPES), ("vendor_type", VENDOR_TYPES)):
            if field not in self.values:
                continue
            word = self.text(field).lower().replace(" ", "_").replace("-", "_")
            if word not in known:
                raise BadTax(f"{field}: {word[:40]!r}; it is {', '.join(known)}", field=field)
            for name, value in known[word].items():
                self.values.setdefault(name, value)
        document = self.text("document_type", "invoice").lower().replace(" ", "_").replace("-", "_")
        if document not in DOCUMENT_TYPES:
            raise BadTax(f"document_type: {document[:40]!r}; it is {', '.join(DOCUMENT_TYPES)}", field="document_type")
        if DOCUMENT_TYPES[document] and self.amount is not None:
            self.values["amount"] = -abs(self.amount)

    def _lines_from_prefixes(self, lines: Mapping[str, dict[str, Any]]) -> None:
        """`indian_entity_net_inr` and `foreign_entity_amount_usd` stand for lines of one bill."""
        for prefix, fields in lines.items():
            told = dict(fields)
            if prefix.startswith(INDIAN_PREFIXES):
                told.setdefault("issuer_country", "IN")
            elif prefix.startswith(FOREIGN_PREFIXES):
                told.setdefault("issuer_country", "US")
            self.values.setdefault("lines", []).append({"note": prefix, **told})


def overlaid(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for all, with what one says of its own over it, by meaning: a line's `issuer_country` stands in place
    of the bill's `vendor_country`. Rates of exchange are joined."""
    said = set(Case(own, lenient=True).values)
    kept = {name: value for name, value in shared.items() if not said & set(Case({name: value}, lenient=True).values)}
    return {**kept, **own}

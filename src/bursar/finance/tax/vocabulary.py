"""The names a case's inputs may have, and what each means: many spellings in, one meaning out.

A name that isn't known is refused by name: a field that is silently passed over makes a wrong figure look right.
"""

import difflib
import functools
import re
import tomllib
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any

import msgspec

from bursar.domain.errors import BadTax

YEAR_FIRST, YEAR_LAST = 1990, 2199  # of any day that is read; no rule is older, and due days are a few years later
YES = ("true", "yes", "y", "1", "held", "on_file", "valid")
NO = ("false", "no", "n", "0", "", "none", "missing")
CURRENCIES = frozenset({
    "usd", "inr", "eur", "gbp", "aud", "sgd", "cad", "jpy", "nzd", "chf", "nok", "sek", "dkk", "pln", "czk", "huf",
    "ron", "aed", "sar", "brl", "krw", "zar", "ils", "myr", "idr", "thb", "php", "cny", "hkd",
})  # fmt: skip
COUNTRIES = {
    "UK": "GB", "EL": "GR", "USA": "US", "INDIA": "IN", "UNITED STATES": "US", "IRELAND": "IE", "GERMANY": "DE",
    "UNITED KINGDOM": "GB", "SINGAPORE": "SG", "AUSTRALIA": "AU", "CANADA": "CA", "JAPAN": "JP", "FRANCE": "FR",
    "NETHERLANDS": "NL", "GREECE": "GR", "UAE": "AE", "UNITED ARAB EMIRATES": "AE", "AUSTRIA": "AT", "BELGIUM": "BE",
    "BULGARIA": "BG", "CROATIA": "HR", "CYPRUS": "CY", "CZECHIA": "CZ", "CZECH REPUBLIC": "CZ", "DENMARK": "DK",
    "ESTONIA": "EE", "FINLAND": "FI", "HUNGARY": "HU", "ITALY": "IT", "LATVIA": "LV", "LITHUANIA": "LT",
    "LUXEMBOURG": "LU", "MALTA": "MT", "POLAND": "PL", "PORTUGAL": "PT", "ROMANIA": "RO", "SLOVAKIA": "SK",
    "SLOVENIA": "SI", "SPAIN": "ES", "SWEDEN": "SE", "SWITZERLAND": "CH", "NORWAY": "NO", "NEW ZEALAND": "NZ",
    "SOUTH KOREA": "KR", "KOREA": "KR", "ISRAEL": "IL", "CHINA": "CN", "BRAZIL": "BR", "SAUDI ARABIA": "SA",
    "SOUTH AFRICA": "ZA", "MALAYSIA": "MY", "INDONESIA": "ID", "THAILAND": "TH", "PHILIPPINES": "PH",
    "UNITED STATES OF AMERICA": "US", "GREAT BRITAIN": "GB",
}  # fmt: skip
SMALL_WORDS = frozenset({
    "a", "an", "are", "by", "for", "from", "has", "have", "in", "is", "of", "on", "the", "this", "to", "was", "were",
    "whether", "with",
})  # fmt: skip
SAME_WORDS = {
    "buyer": "payer", "customer": "payer", "recipient": "payer", "purchaser": "payer", "importer": "payer",
    "supplier": "vendor", "seller": "vendor", "issuer": "vendor", "provider": "vendor", "payee": "vendor",
    "credits": "credit", "purchases": "purchase", "supplies": "supply", "services": "service", "imports": "import",
    "authorized": "authorised", "available": "held", "obtained": "held", "file": "held",
    "percentage": "pct", "percent": "pct", "prepayment": "prepaid",
    "withholding": "tds", "withheld": "tds", "months": "month", "monthly": "month", "average": "avg", "s17": "17",
    "section": "17",
}  # fmt: skip
"""Words that say the same in a field's name: `buyer_gst_registered` is read as `payer_gst_registered`."""
MONTH_NAMES = frozenset({
    "january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december",
})  # fmt: skip
DATED = re.compile(r"_(?:on_|at_|in_)?(\d{4})_(\d{2})(?:_(\d{2}))?$")
RATE_OF_EXCHANGE = re.compile(
    r"(?:^|_)(fx|ttbr|exchange_rate|selling_rate|bank_rate|booking_rate|spot_rate|reference_rate|fbil|tt_buying|"
    r"policy_rate|closing_rate|inr_per_usd|books_rate|hmrc_rate|ecb_rate)(?:_|$)"
)
PURPOSES = (
    ("tds", ("ttbr", "tds", "tt_buying", "withholding")),
    ("bank", ("bank", "selling", "settlement", "payment_rate")),
    ("gst", ("gst", "igst", "policy", "vat", "fbil", "reference", "hmrc", "ecb", "rcm")),
    ("closing", ("closing", "month_end", "year_end")),
    ("books", ("booking", "booked", "books", "book", "spot", "advance", "invoice", "accounting")),
)


class Input(msgspec.Struct, frozen=True):
    """A name with its spellings. kind: money, rate (a fraction), pct, flag, date, country, text, texts, number, shares,
    lines, or ignored. values: the words that a text may be, `exempt*` by its beginning; none: any text."""

    name: str
    kind: str
    says: str
    also: list[str] = []
    values: list[str] = []


class Read(msgspec.Struct, frozen=True):
    """A raw field, understood. suffix: the currency its name ends in; day: the date its name ends in."""

    input: Input
    suffix: str
    day: date | None


@functools.cache
def known_inputs() -> dict[str, Input]:
    """By every spelling, in lower case."""
    text = (resources.files("bursar.finance.tax") / "data" / "vocabulary.toml").read_text("utf-8")
    found = [msgspec.convert(one, Input) for one in tomllib.loads(text)["input"]]
    return {spelling.lower(): one for one in found for spelling in (one.name, *one.also)}


def understand(raw: str) -> Read | None:
    """What a field's name means; None: nobody knows."""
    name, day = split_day(raw.strip().lower().replace("-", "_").replace(" ", "_"))
    known = known_inputs()
    stem, _, suffix = name.rpartition("_")
    if name in known and known[name].kind != "money":
        return Read(known[name], "", day)
    if suffix in CURRENCIES and stem in known and known[stem].kind in ("money", "text"):
        return Read(known[stem], suffix.upper(), day)
    if suffix in CURRENCIES and stem.endswith("_at_most") and stem in known:
        return Read(known[stem], suffix.upper(), day)
    head, inner, tail = name.rpartition("_at_most")
    if inner and not tail and (bounded := known.get(f"{_without_currency(head)}_at_most")):
        return Read(bounded, _currency_of(head), day)
    for cut in ("_pct", "_percent", "_ratio", "_fraction"):
        if (
            name.endswith(cut)
            and (one := known.get(name.removesuffix(cut)) or known.get(f"{name[: -len(cut)]}_pct"))
            and (one.kind != "ignored")
        ):
            return Read(one, cut, day)
    if name in known:
        return Read(known[name], "", day)
    whole, cut_off = by_words().get(words_of(name)), by_words().get(words_of(stem))
    if whole and whole.kind != "money":
        return Read(whole, "", day)
    if suffix in CURRENCIES and cut_off and cut_off.kind == "money":
        return Read(cut_off, suffix.upper(), day)
    if whole:
        return Read(whole, "", day)
    return _by_same_words(name, stem, suffix, day)


def _by_same_words(name: str, stem: str, suffix: str, day: date | None) -> Read | None:
    """The last try, with words that say the same taken for one another."""
    if suffix in CURRENCIES and (cut_off := by_same_words(money=True).get(same_words(words_of(stem)))):
        return Read(cut_off, suffix.upper(), day)
    whole = by_same_words().get(same_words(words_of(name)))
    return Read(whole, "", day) if whole else None


def words_of(name: str) -> frozenset[str]:
    """What a name says whatever the order, without its small words: `pan_of_vendor` says what `vendor_pan` does."""
    return frozenset(word for word in name.split("_") if word not in SMALL_WORDS)


def same_words(words: frozenset[str]) -> frozenset[str]:
    return frozenset(SAME_WORDS.get(word, word) for word in words)


@functools.cache
def by_same_words(*, money: bool = False) -> dict[frozenset[str], Input]:
    """Inputs by their words in one wording; words that could then mean two of them mean neither. money: only those."""
    found: dict[frozenset[str], Input | None] = {}
    for words, one in by_words().items():
        if not money or one.kind == "money":
            same = same_words(words)
            found[same] = one if found.get(same, one) is one else None
    return {words: one for words, one in found.items() if one is not None and len(words) >= 2}


@functools.cache
def by_words() -> dict[frozenset[str], Input]:
    """Inputs by their words, two at least; words that could mean two of them mean neither."""
    found: dict[frozenset[str], Input | None] = {}
    for spelling, one in known_inputs().items():
        words = words_of(spelling)
        if len(words) >= 2 and one.kind != "ignored":
            found[words] = one if found.get(words, one) is one else None
    return {words: one for words, one in found.items() if one is not None}


def exchange_purpose(raw: str) -> tuple[str, date | None] | None:
    """For a field that states a rate of exchange: what it is for (gst, tds, books, bank, closing, any), and its day."""
    name, day = split_day(raw.strip().lower())
    if not RATE_OF_EXCHANGE.search(name):
        return None
    words = f"_{name}_"
    return next((purpose for purpose, marks in PURPOSES if any(f"_{mark}_" in words for mark in marks)), "any"), day


def split_day(name: str) -> tuple[str, date | None]:
    """`fx_gst_on_2026_11_12` as its name and its day; a month is its last day's first."""
    words = [word for word in name.split("_") if word not in MONTH_NAMES]
    name = "_".join(words) if len(words) > 1 else name
    unit = _currency_of(name).lower()
    bare = name.removesuffix(f"_{unit}") if unit else name
    found = DATED.search(bare)
    if not found:
        return name, None
    try:
        kept = bare[: found.start()] + (f"_{unit}" if unit else "")
        return kept, date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError:
        return name, None


def nearest(raw: str) -> str:
    """A known name that it may have meant; "" where none is near."""
    found = difflib.get_close_matches(raw.lower(), list(known_inputs()), n=1, cutoff=0.6)
    return known_inputs()[found[0]].name if found else ""


def read_decimal(field: str, value: Any) -> Decimal:
    """Raises BadTax for what is no decimal; a float is refused unless it is whole, since it may have lost a cent."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise BadTax(
            f'{field}: {value!r} may have lost a cent; write amounts and rates as text, "10000.00"', field=field
        )
    try:
        found = Decimal(str(value).replace(",", "").strip().removesuffix("%").strip())
    except InvalidOperation as error:
        raise BadTax(f'{field}: {str(value)[:40]!r} is no amount; write "10000.00"', field=field) from error
    if not found.is_finite() or abs(found) >= Decimal(10) ** 18 or found.as_tuple().exponent < -18:  # type: ignore[operator]
        raise BadTax(f"{field}: {str(value)[:40]!r} is out of bounds: below 1e18, at most 18 places", field=field)
    return found


def read_flag(field: str, value: Any) -> bool:
    """Raises BadTax for what is neither yes nor no."""
    text = str(value).strip().lower()
    if isinstance(value, bool):
        return value
    if text in YES:
        return True
    if text in NO or value is None:
        return False
    raise BadTax(f"{field}: {str(value)[:40]!r}; write true or false", field=field)


def read_day(field: str, value: Any) -> date:
    """Raises BadTax for what is no day, or a year so far away that it is a slip: due days are counted from it."""
    try:
        day = date.fromisoformat(str(value).strip()[:10])
    except ValueError as error:
        raise BadTax(f"{field}: {str(value)[:40]!r} is no day; write 2026-11-12", field=field) from error
    if not YEAR_FIRST <= day.year <= YEAR_LAST:
        raise BadTax(f"{field}: {day} is out of bounds; years are {YEAR_FIRST} to {YEAR_LAST}", field=field)
    return day


def read_country(field: str, value: Any) -> str:
    """Two letters. Raises BadTax for a name that isn't known."""
    text = str(value).strip().upper()
    found = COUNTRIES.get(text, text)
    if len(found) != 2 or not found.isascii() or not found.isalpha():
        raise BadTax(f"{field}: {str(value)[:40]!r} is no country; write two letters, such as IE", field=field)
    return found


def read_word(field: str, known: Input, value: Any) -> str:
    """A text as it was written. Raises BadTax where it is none of the words that it may be."""
    text = str(value).strip()
    word = re.sub(r"[\s-]+", "_", text.lower())
    if known.values and not any(
        word.startswith(one[:-1]) if one.endswith("*") else word == one for one in known.values
    ):  # fmt: skip
        told = ", ".join(one.rstrip("*") for one in known.values if one)
        raise BadTax(f"{field}: {text[:40]!r}; it is {told}", field=field)
    if known.name == "invoice_currency" and text and not (len(text) == 3 and text.isascii() and text.isalpha()):
        raise BadTax(f"{field}: {text[:40]!r}; write three letters, such as USD", field=field)
    return word if known.values else text


def _currency_of(name: str) -> str:
    suffix = name.rpartition("_")[2]
    return suffix.upper() if suffix in CURRENCIES else ""


def _without_currency(name: str) -> str:
    stem, _, suffix = name.rpartition("_")
    return stem if suffix in CURRENCIES else name

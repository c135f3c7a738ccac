"""Scenarios as text, as addresses, the command line and the store have them: `usage 2 plan=pro; price +10%`.

A step is a word, mostly its main figure, and `name=value` for the rest; `;` stands between steps. A value with blanks
is quoted: plan="Pro plan". What is a default is left out when a scenario is written, so each has one spelling.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from bursar.domain.errors import BadScenario
from bursar.domain.money import plain
from bursar.finance.scenarios.steps import (
    NAMES,
    ORDER,
    Churn,
    FreeLimit,
    Model,
    Overage,
    Price,
    PriceList,
    Step,
    Usage,
    Viral,
)

STEPS_MAX = 12
TEXT_CHARS_MAX = 512
NAME_CHARS_MAX = 200
PLACES_MAX = 6
FIRST_YEAR, LAST_YEAR = 2020, 2999
UNITS = ("calls", "tokens")
_SAFE = re.compile(r"[^\s;\"'\\]+")
_MONTH = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?")


class Field(NamedTuple):
    """One value of a step. name: as it is written; "": the main figure, without a name. attribute: of the step.

    read: text → value, raises ValueError that says what can be written. write: value → text.
    """

    name: str
    attribute: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def read_steps(text: str) -> tuple[Step, ...]:
    """The steps of a text, in the order they apply. Raises BadScenario that names step, field and limit."""
    if len(text) > TEXT_CHARS_MAX:
        raise BadScenario(
            f"the scenario is {len(text)} characters long; at most {TEXT_CHARS_MAX} are read: leave steps out",
            field="steps",
        )
    steps = [read_step(words, at) for at, words in enumerate(_split(text), 1)]
    if len(steps) > STEPS_MAX:
        raise BadScenario(f"{len(steps)} steps; a scenario has at most {STEPS_MAX}", field="steps")
    steps.sort(key=lambda step: ORDER.index(type(step)))  # stable: steps of one kind stay as they were written
    if sum(isinstance(step, Churn) for step in steps) > 1:
        raise BadScenario("churn: it is said twice; one elasticity holds for all: leave one out", field="churn")
    return tuple(steps)


def write_steps(steps: tuple[Step, ...]) -> str:
    """The one spelling of these steps: `read_steps(write_steps(s)) == s` for steps that were read."""
    return "; ".join(map(write_step, steps))


def write_step(step: Step) -> str:
    told = [NAMES[type(step)]]
    defaults = {one.name: one.default for one in msgspec.structs.fields(step)}
    for field in FIELDS[type(step)]:
        value = _value_of(step, field)
        if value is None or (field.name and value == defaults.get(field.attribute, msgspec.NODEFAULT)):
            continue
        text = quoted(field.write(value))
        told.append(f"{field.name}={text}" if field.name else text)
    return " ".join(told)


def read_step(words: list[str], at: int = 1) -> Step:
    """One step from its words. Raises BadScenario. at: which step of the scenario, to name it."""
    name, given = words[0].lower(), words[1:]
    kind = next((kind for kind, known in NAMES.items() if known == name), None)
    if kind is None:
        raise BadScenario(
            f"step {at}: there is no step {name[:40]!r}; there are {', '.join(NAMES.values())}", field="steps"
        )
    fields = FIELDS[kind]
    values: dict[str, Any] = {}
    for word in given:
        field, text = _field_of(word, fields, name, at)
        if field.attribute in values:
            raise BadScenario(f"step {at} ({name}): {field.name or field.attribute} is said twice",
                              field=f"{name}.{field.attribute}")  # fmt: skip
        try:
            values[field.attribute] = field.read(text)
        except (ValueError, InvalidOperation) as error:
            said = field.name or field.attribute
            raise BadScenario(
                f"step {at} ({name}): {said} is {text[:40]!r}; {error}", field=f"{name}.{field.attribute}"
            ) from error
    return _made(kind, name, at, values)


def _made(kind: type[msgspec.Struct], name: str, at: int, values: dict[str, Any]) -> Step:
    if kind is Price:
        values |= values.pop("amount", {})
    if kind is Viral:
        low, high = values.pop("convert", (None, None))
        values |= {"convert_low": low, "convert_high": high} if low is not None else {}
    missing = [
        one.name for one in msgspec.structs.fields(kind)
        if one.default is msgspec.NODEFAULT and one.name not in values
    ]  # fmt: skip
    if kind is Price and not values.keys() & {"to", "percent"}:
        missing = ["amount"]
    if missing:
        field = missing[0].removesuffix("_low")
        raise BadScenario(f"step {at} ({name}): {field} is missing; write it as `{EXAMPLES[kind]}`",
                          field=f"{name}.{field}")  # fmt: skip
    step: Any = kind(**values)
    for field, wrong in _contradictions(step):
        raise BadScenario(f"step {at} ({name}): {field}: {wrong}", field=f"{name}.{field}")
    made: Step = step
    return made


def _contradictions(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step, Model) and step.model == step.to:
        yield "to", f"{step.to} is the model itself; name another"
    if isinstance(step, FreeLimit) and step.price == 0 and step.convert > 0:
        yield "price", "those who convert pay nothing; give a price above 0, or convert=0%"
    if isinstance(step, Model) and step.since is not None and step.since.day != 1:
        yield "from", "a month, as 2027-01"


def _field_of(word: str, fields: tuple[Field, ...], name: str, at: int) -> tuple[Field, str]:
    key, is_named, text = word.partition("=")
    if not is_named:
        main = next((field for field in fields if not field.name), None)
        if main is None:
            raise BadScenario(f"step {at} ({name}): {word[:40]!r} has no name; write name=value", field=f"{name}.")
        return main, word
    found = next((field for field in fields if field.name and field.name == key.lower()), None)
    if found is None:
        known = ", ".join(field.name for field in fields if field.name)
        raise BadScenario(
            f"step {at} ({name}): there is no {key[:40]!r}; there are {known or 'none but its figure'}",
            field=f"{name}.{key[:40]}",
        )
    return found, text


def _split(text: str) -> Iterator[list[str]]:
    reader = shlex.shlex(text, posix=True, punctuation_chars=";")
    reader.whitespace_split, reader.commenters = True, ""
    words: list[str] = []
    try:
        for word in reader:
            if set(word) == {";"}:
                if words:
                    yield words
                words = []
            else:
                words.append(word)
    except ValueError as error:
        raise BadScenario(f"the scenario can't be read: {error}; quotes come in pairs", field="steps") from error
    if words:
        yield words


def quoted(text: str) -> str:
    if _SAFE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(low: str, high: str, *, above: bool = False, suffix: str = "") -> Callable[[str], Decimal]:
    """A reader of exact numbers in bounds. above: more than `low`, not equal to it."""
    least, most = Decimal(low), Decimal(high)

    def read(text: str) -> Decimal:
        bare = text.strip().replace("−", "-").removesuffix("%" if suffix else "").lstrip("x×").strip()
        try:
            value = Decimal(bare)
        except InvalidOperation:
            value = Decimal("NaN")
        fine = value.is_finite() and least <= value <= most and not (above and value == least)
        if not fine or -int(value.normalize().as_tuple().exponent) > PLACES_MAX:
            edge = f"above {least}, up to" if above else f"from {least} to"
            what = "a percentage" if suffix else "a number"
            raise ValueError(f"write {what} {edge} {most:,}{suffix} with at most {PLACES_MAX} decimals")
        return value

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        bare = text.strip().replace(",", "").replace("_", "")
        if not (bare.isascii() and bare.isdecimal()) or len(bare) > 15 or not low <= int(bare) <= high:
            raise ValueError(f"write a whole number from {low:,} to {high:,}")
        return int(bare)

    return read


def _day(*, is_month: bool) -> Callable[[str], date]:
    def read(text: str) -> date:
        found = _MONTH.fullmatch(text.strip())
        wanted = "a month, as 2027-01" if is_month else "a day or a month, as 2027-01-15 or 2027-01"
        try:
            value = date(int(found[1]), int(found[2]), int(found[3] or 1)) if found else None
        except ValueError:
            value = None
        if value is None or not FIRST_YEAR <= value.year <= LAST_YEAR or (is_month and value.day != 1):
            raise ValueError(f"write {wanted}, of the years {FIRST_YEAR} to {LAST_YEAR}")
        return value

    return read


def _name(text: str) -> str:
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        raise ValueError(f"write at most {NAME_CHARS_MAX} printable characters")
    return text


def _model_name(text: str) -> str:
    provider, slash, model = _name(text).partition("/")
    if not (provider and slash and model):
        raise ValueError("write provider/model, as openai/gpt-4o")
    return text


def _provider_or_model(text: str) -> str:
    if not text.strip("/") or text.startswith("/"):
        raise ValueError("write a provider, as openai, or one of its models, as openai/gpt-4o")
    return _name(text).rstrip("/")


def _unit(text: str) -> str:
    if text not in UNITS:
        raise ValueError(f"write {' or '.join(UNITS)}")
    return text


def _percent_text(value: Decimal) -> str:
    return f"{plain(value)}%"


def _signed_text(value: Decimal) -> str:
    return f"{'+' if value >= 0 else ''}{plain(value)}%"


def _amount(text: str) -> Mapping[str, Decimal]:
    """`29`: what it becomes; `+10%`: by how much it changes."""
    if text.strip().endswith("%"):
        return {"percent": _number("-100", "1000", suffix="%")(text)}
    return {"to": PRICE(text)}


def _range(text: str) -> tuple[Decimal, Decimal]:
    low, _, high = text.partition("..")
    found = SHARE(low), SHARE(high or low)
    if found[0] > found[1]:
        raise ValueError("the lower one comes first, as 1%..3%")
    return found


def _range_text(value: tuple[Decimal, Decimal]) -> str:
    low, high = value
    return _percent_text(low) if low == high else f"{_percent_text(low)}..{_percent_text(high)}"


def _value_of(step: Step, field: Field) -> Any:
    """A field's value; of the two that stand for two attributes, both."""
    if isinstance(step, Viral) and field.attribute == "convert":
        return step.convert_low, step.convert_high
    if isinstance(step, Price) and field.attribute == "amount":
        return step
    return getattr(step, field.attribute)


def _amount_text(step: Price) -> str:
    if step.to is not None:
        return plain(step.to)
    return _signed_text(step.percent) if step.percent is not None else ""


def _date_text(value: date) -> str:
    return value.isoformat() if value.day != 1 else f"{value:%Y-%m}"


PRICE = _number("0", "1000000")
SHARE = _number("0", "100", suffix="%")
RATIO = _number("0", "1000")
_COUNT = _whole(0, 10**12)
_SINCE = Field("from", "since", _day(is_month=True), _date_text)
_SINCE_DAY = Field("from", "since", _day(is_month=False), _date_text)
_WHOSE = (Field("plan", "plan", _name, str), Field("segment", "segment", _name, str))
_UNIT = Field("unit", "unit", _unit, str)

FIELDS: dict[type[msgspec.Struct], tuple[Field, ...]] = {
    Usage: (
        Field("", "factor", RATIO, plain), Field("heavy", "heavy", _number("0", "100", above=True, suffix="%"),
        _percent_text), *_WHOSE, _SINCE,
    ),
    Model: (
        Field("", "model", _model_name, str), Field("to", "to", _model_name, str),
        Field("price", "price", RATIO, plain), Field("share", "share", SHARE, _percent_text),
        Field("tokens", "tokens", RATIO, plain), _SINCE,
    ),
    PriceList: (
        Field("", "percent", _number("-100", "1000", suffix="%"), _signed_text),
        Field("of", "of", _provider_or_model, str), _SINCE_DAY,
    ),
    FreeLimit: (
        Field("", "limit", _COUNT, str), Field("price", "price", PRICE, plain),
        Field("convert", "convert", SHARE, _percent_text), _UNIT, *_WHOSE, _SINCE,
    ),
    Price: (Field("", "amount", _amount, _amount_text), *_WHOSE, _SINCE),
    Overage: (
        Field("", "price", PRICE, plain), Field("included", "included", _COUNT, str), _UNIT, *_WHOSE, _SINCE,
    ),
    Churn: (Field("", "elasticity", _number("0", "10"), plain),),
    Viral: (
        Field("", "users", _whole(1, 10_000_000), str), Field("price", "price", PRICE, plain),
        Field("convert", "convert", _range, _range_text), Field("cost", "cost", PRICE, plain),
        Field("ramp", "ramp", _whole(1, 24), str), Field("decay", "decay", SHARE, _percent_text),
        Field("after", "after", _whole(0, 24), str), _SINCE_DAY,
    ),
}  # fmt: skip
EXAMPLES: dict[type[msgspec.Struct], str] = {
    Usage: "usage 2 heavy=10% plan=pro",
    Model: "model openai/gpt-4o to=openai/gpt-4o-mini price=0.06 share=50% tokens=1.1",
    PriceList: "pricelist +10% of=openai from=2027-01-15",
    FreeLimit: "freelimit 500 price=10 convert=5%",
    Price: "price 29 plan=pro",
    Overage: "overage 0.02 included=1000 plan=pro",
    Churn: "churn 0.5",
    Viral: "viral 5000 price=10 convert=1%..3% decay=20%",
}

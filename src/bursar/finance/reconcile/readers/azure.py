"""Azure cost exports (EA and MCA actual cost, also their older heads): the meters of Azure OpenAI and Foundry models.

Quantities are in the unit of measure ("1K", "1M"), so they are multiplied by its block size. Source: the column
reference of Cost Management's exports, and microsoft/finops-toolkit's PricingUnits.csv (MIT), 2026.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from bursar.finance.reconcile.bill import BATCH, STANDARD, BillLine, Fault, LineKind, Read, day_after
from bursar.finance.reconcile.readers.figures import Unreadable, csv_rows, day, decimal, maybe, places, text
from bursar.finance.reconcile.readers.words import unit_of

PROVIDER = "azure"
_MODELS = re.compile(r"openai|foundry models|azure ai|cognitive services", re.IGNORECASE)
_BLOCK = re.compile(r"^(\d+)(?![\ds])\s*([KMB](?![A-Za-z]))?")
_CLASS_WORDS = re.compile(
    r"\b(cchd|cached|cache|write|inp|inpt|input|outp|outpt|out|output|opt|glbl|gl|regnl|regional|dz|data zone|datazone"
    r"|batch|bt|prio?|pp|priority|flex|tokens?|1k|1m|txt|text|aud|audio|img|image|std|standard)\b",
    re.IGNORECASE,
)
_SCALE = {"": 1, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}
_KINDS: dict[str, LineKind] = {"tax": "tax", "refund": "credit", "credit": "credit", "purchase": "fee"}


def looks_like_head(names: Iterable[str]) -> bool:
    low = {name.lower() for name in names}
    return {"metername", "quantity", "unitofmeasure"} <= low and bool(low & {"cost", "costinbillingcurrency"})


def read(data: bytes) -> Read:
    """Lines of language models; those of other meters are left out, and how many there were is told."""
    lines, faults, others = [], [], 0
    for number, row in csv_rows(data):
        low = {name.lower(): value for name, value in row.items()}
        if not _is_model(low):
            others += 1
            continue
        try:
            lines.append(_line(low))
        except Unreadable as error:
            faults.append(Fault(number, str(error)))
    if others:
        faults.append(Fault(0, f"{others} lines of other meters are left out"))
    return Read(lines, faults)


def block_size(unit_of_measure: str) -> int:
    """How many single units one quantity is: 1,000 for `1K`, 10,000 for `10K`; a word alone is 1."""
    found = _BLOCK.match(unit_of_measure.strip())
    return int(found[1]) * _SCALE[found[2] or ""] if found is not None else 1


def read_meter(meter: str) -> tuple[str, str, str, str]:
    """(model, unit, tier, where) of a meter's name.

    >>> read_meter("gpt 4o 0806 cchd Inp glbl Tokens")
    ('gpt 4o 0806', 'cache_read', 'standard', 'glbl')
    """
    words = meter.replace("-", " ").replace("_", " ")
    low = f" {words.lower()} "
    tier = next(
        (tier for word, tier in ((" batch ", BATCH), (" bt ", BATCH), (" pp ", "priority"), (" prio", "priority"),
                                 (" flex ", "flex")) if word in low),
        STANDARD,
    )  # fmt: skip
    where = next((word for word in ("glbl", "regnl", "dz") if f" {word} " in low), "")
    return " ".join(_CLASS_WORDS.sub(" ", words).split()), unit_of(words), tier, where


def _is_model(row: Mapping[str, str]) -> bool:
    told = " ".join(row.get(name, "") for name in ("metercategory", "metersubcategory", "product", "productname"))
    is_of_ours = _MODELS.search(told) is not None
    return is_of_ours or row.get("chargetype", "").lower() == "tax"


def _line(row: Mapping[str, str]) -> BillLine:
    start = day(row.get("date") or row.get("usagedate"), "Date")
    amount = decimal(row.get("costinbillingcurrency") or row.get("cost"), "Cost")
    rate = maybe(row.get("exchangeratepricingtobilling"), "exchangeRatePricingToBilling")
    charge = row.get("chargetype", "").lower()
    kind = _KINDS.get(charge, "credit" if amount < 0 else "usage")
    currency = row.get("billingcurrency") or row.get("billingcurrencycode") or "USD"
    meter = row.get("metername", "")
    model, unit, tier, where = read_meter(meter)
    if kind == "usage" and not unit:
        kind = "fee"
    quantity: Decimal | None = None
    if kind == "usage":
        quantity = decimal(row.get("quantity"), "Quantity") * block_size(row.get("unitofmeasure", ""))
    is_usage = kind == "usage"
    return BillLine(
        start=start, end=day_after(start), provider=PROVIDER, kind=kind, account=text(row.get("billingaccountid")),
        project=text(row.get("subscriptionid")), key=text(row.get("resourcename")) if is_usage else "",
        model=model if is_usage else "", unit=unit if is_usage else "", tier=tier if is_usage else "",
        quantity=quantity, amount=amount, places=places(amount), currency=currency.upper(),
        rate=rate if currency.upper() != "USD" else None, text=meter or row.get("product", ""), where=where,
    )  # fmt: skip

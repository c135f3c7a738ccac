"""AWS Cost and Usage Report 2.0, as CSV or Parquet: the lines of Bedrock and of models from the Marketplace.

Amazon's own and first-party listed models are metered per 1,000 tokens, those of the Marketplace (`-MP:`) per million,
with the model only in the product's name. Source: the CUR 2.0 table dictionary, and usage types as they occur in bills
(data of `tests/finance/reconcile/exports/aws`), 2026.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from bursar.finance.reconcile.bill import BATCH, STANDARD, BillLine, Fault, LineKind, Read, day_after
from bursar.finance.reconcile.readers.figures import Unreadable, csv_rows, day, decimal, maybe, places, text
from bursar.finance.reconcile.readers.parquet import is_parquet, parquet_rows
from bursar.finance.reconcile.readers.words import unit_of

PROVIDER = "aws"
_NEEDED = {"line_item_usage_type", "line_item_unblended_cost", "line_item_usage_start_date"}
_REGION = re.compile(r"^([A-Z]{2,4}\d?)-")
_FIRST_CLASS = re.compile(
    r"[-_.](?=(?:mantle[-_])?(?:text[-_])?(?:input|output|cache|cached|reasoning|inputtoken|outputtoken)[-_.]?)",
    re.IGNORECASE,
)
_LEVELS = {"batch": BATCH, "flex": "flex", "priority": "priority", "latency-optimized": "latency_optimized"}
_MONTHLY = {"Tax": "tax", "Credit": "credit", "Refund": "credit", "Fee": "fee", "RIFee": "fee"}


def looks_like_head(names: Iterable[str]) -> bool:
    return set(names) >= _NEEDED


def read(data: bytes) -> Read:
    """Lines of Bedrock; those of other services are left out, and how many there were is told."""
    lines, faults, others = [], [], 0
    rows: Iterator[tuple[int, Mapping[str, Any]]] = parquet_rows(data) if is_parquet(data) else csv_rows(data)
    for number, row in rows:
        if not _is_bedrock(row):
            others += 1
            continue
        try:
            lines.append(_line(row))
        except Unreadable as error:
            faults.append(Fault(number, str(error)))
    if others:
        faults.append(Fault(0, f"{others} lines of other services are left out"))
    return Read(lines, faults)


def read_usage_type(usage_type: str, product: str = "") -> tuple[str, str, str, int, str]:
    """(model, unit, tier, block, where) of a Bedrock usage type. product: its product's name, for the Marketplace.

    >>> read_usage_type("USE1-Nova2.0Lite-input-tokens-cross-region-global-batch")
    ('Nova2.0Lite', 'input', 'batch', 1000, 'USE1 global')
    """
    region = _REGION.match(usage_type)
    rest = usage_type[region.end() :] if region else usage_type
    low = rest.lower().replace("_", "-")
    where = [region[1] if region else "", "global" if "global" in low else ""]
    tier = next((tier for word, tier in _LEVELS.items() if re.search(rf"(?:^|-){word}(?:-|$)", low)), STANDARD)
    if rest.startswith("MP:"):
        meter = rest.partition(":")[2].partition("_")[2]
        return _product_model(product), unit_of(_spaced(meter)), tier, 1_000_000, " ".join(filter(None, where))
    cut = _FIRST_CLASS.search(rest)
    model = rest[: cut.start()] if cut else rest
    model = model.removesuffix("-mantle")
    return model, unit_of(_spaced(rest[len(model) :])), tier, 1_000, " ".join(filter(None, where))


def _spaced(meter: str) -> str:
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", meter).replace("_", " ").replace("-", " ")
    return re.sub(r"token(s)?count", "tokens", words, flags=re.IGNORECASE)


def _product_model(product: str) -> str:
    """`Claude Sonnet 4 (Amazon Bedrock Edition)` without its bracket."""
    return re.sub(r"\s*\(.*?\)\s*", "", product).strip()


def _is_bedrock(row: Mapping[str, Any]) -> bool:
    told = " ".join(
        text(row.get(name))
        for name in ("line_item_product_code", "product_servicecode", "product_product_name",
                     "line_item_line_item_description", "line_item_usage_type")
    )  # fmt: skip
    return "bedrock" in told.lower() or "-MP:" in text(row.get("line_item_usage_type"))


def _line(row: Mapping[str, Any]) -> BillLine:
    start = day(row.get("line_item_usage_start_date"), "line_item_usage_start_date")
    amount = decimal(row.get("line_item_unblended_cost"), "line_item_unblended_cost")
    kind_of = text(row.get("line_item_line_item_type")) or "Usage"
    kind: LineKind = _MONTHLY.get(kind_of, "usage")  # type: ignore[assignment]
    own: dict[str, Any] = {
        "start": start,
        "end": day_after(start),
        "provider": PROVIDER,
        "kind": kind,
        "account": text(row.get("bill_payer_account_id")),
        "issuer": text(row.get("line_item_legal_entity")),
        "project": text(row.get("line_item_usage_account_id")),
        "amount": amount,
        "places": places(amount),
        "currency": text(row.get("line_item_currency_code")) or "USD",
        "text": text(row.get("line_item_line_item_description")) or text(row.get("line_item_usage_type")),
    }
    if kind != "usage":
        return BillLine(**own, where=text(row.get("identity_line_item_id")))
    product = text(row.get("product_product_name")) or text(row.get("line_item_line_item_description"))
    model, unit, tier, block, where = read_usage_type(text(row.get("line_item_usage_type")), product)
    if not unit:
        return BillLine(**{**own, "kind": "fee"}, where=text(row.get("line_item_usage_type")))
    said = text(row.get("pricing_unit")).lower()
    if re.search(r"\b(1m|million)\b", said):
        block = 1_000_000
    elif re.search(r"\b(1k|thousand|1000)\b", said):
        block = 1_000
    quantity = maybe(row.get("line_item_usage_amount"), "line_item_usage_amount")
    hour = text(row.get("line_item_usage_start_date"))
    return BillLine(
        **own, model=model, unit=unit, tier=tier, where=" ".join(filter(None, (where, hour))),
        quantity=None if quantity is None else quantity * Decimal(block),
    )  # fmt: skip

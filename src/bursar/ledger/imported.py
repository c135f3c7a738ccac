"""Bills that Bursar didn't make: rows of FOCUS files of clouds and other vendors, in a table of their own.

They are no charges: no attempt is behind them, no budget and no total of LLM cost counts them. `everything` is a view
with both, each row marked with its `source`, for whoever asks for that; what asks the charges never sees them.

Facts are appended here too. A row has a `weight`: 1, or −1 where a later file says that it isn't so any more; what
stands is what they come to. Rows that are alike have the same `row_key`.
"""

from bursar.ledger.schema import BURSAR, CHARGE_COLUMNS, ENTRY_COLUMNS

TABLE, EVERYTHING, IMPORTS, CONVERTED = "imported_rows", "everything", "imports", "imported_usd"
IMPORTED = "imported"

PLACES = 18  # a sum of what was exported is exact then, and a vendor's floats keep all that they tell
NUMBER = f"DECIMAL(38,{PLACES})"

TEXTS = (
    "availability_zone", "billing_account_id", "billing_account_name", "billing_account_type", "billing_currency",
    "capacity_reservation_id", "capacity_reservation_status", "charge_category", "charge_class", "charge_description",
    "charge_frequency", "commitment_discount_category", "commitment_discount_id", "commitment_discount_name",
    "commitment_discount_status", "commitment_discount_type", "commitment_discount_unit", "consumed_unit", "invoice_id",
    "invoice_issuer_name", "pricing_category", "pricing_currency", "pricing_unit", "provider_name", "publisher_name",
    "region_id", "region_name", "resource_id", "resource_name", "resource_type", "service_category", "service_name",
    "service_subcategory", "sku_id", "sku_meter", "sku_price_details", "sku_price_id", "sub_account_id",
    "sub_account_name", "sub_account_type", "tags",
)  # fmt: skip
TIMES = ("billing_period_end", "billing_period_start", "charge_period_end", "charge_period_start")
SUMMED = (
    "billed_cost", "contracted_cost", "effective_cost", "list_cost", "pricing_currency_effective_cost",
    "consumed_quantity", "pricing_quantity", "commitment_discount_quantity",
)  # fmt: skip
"""What a row that takes another back has with the opposite sign."""
PRICES = (
    "contracted_unit_price", "list_unit_price", "pricing_currency_contracted_unit_price",
    "pricing_currency_list_unit_price",
)  # fmt: skip
USD_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
"""What is converted of a row in another currency, as `usd_…` of its key in `imported_usd`."""
OTHERS = "other_columns"
"""Columns of a file that FOCUS doesn't have, as JSON: the vendor's own `x_…`."""

ROW_COLUMNS: dict[str, str] = {
    **dict.fromkeys(TEXTS, "VARCHAR"),
    **dict.fromkeys(TIMES, "TIMESTAMP"),
    **dict.fromkeys((*SUMMED, *PRICES), NUMBER),
    OTHERS: "VARCHAR",
}
_OWN = {"row_key": "UUID", "import_id": "VARCHAR", "line": "BIGINT", "weight": "INTEGER"}
_TAG = "coalesce(json_extract_string(tags, '$.{name}'), '')"
_NEUTRAL = {
    "text": "''", "int": "0", "bool": "false", "json": "MAP {}", "lines": "[]", "sql": "''", "pico": "0", "same": "0",
}  # fmt: skip
_IN_USD = "billing_currency = 'USD'"


def _in_usd(name: str) -> str:
    """A cost, where it is in USD or was converted; what takes a row back has its key, and the opposite sign."""
    return f"CASE WHEN {_IN_USD} THEN {name} WHEN weight > 0 THEN usd_{name} ELSE -usd_{name} END"


def _told() -> dict[str, str]:
    """What a row is as a charge. An amount in another currency is no cost in USD: it is `unpriced` until converted."""
    return {
        **{name: _in_usd(name) for name in USD_COSTS},
        "counterfactual_cost": _in_usd("list_cost"),
        **dict.fromkeys(("received_at", "dispatched_at"), "charge_period_start"),
        "ended_at": "charge_period_end",
        "provider": "provider_name",
        "upstream": "coalesce(service_name, '')",
        "operation": "lower(charge_category)",
        "region": "coalesce(region_id, '')",
        "organization": "coalesce(billing_account_id, '')",
        "project": "coalesce(sub_account_name, sub_account_id, '')",
        **{name: _TAG.format(name=name) for name in ("feature", "team", "customer", "environment")},
        "tags": "CASE WHEN tags IS NULL THEN MAP {} ELSE tags::JSON::MAP(VARCHAR, VARCHAR) END",
        "sku_id": "coalesce(sku_id, '')",
        "sku_price_id": "coalesce(sku_price_id, '')",
        "quality": f"CASE WHEN {_IN_USD} OR usd_by IS NOT NULL THEN 'reported' ELSE 'unpriced' END",
        "attempt_number": "1",
        "currency": "billing_currency",
        "entry": "CASE WHEN weight > 0 THEN 'usage' ELSE 'reversal' END",
        "weight": "weight",
        "entry_id": "NULL::UUID",
        "reverses": "NULL::UUID",
        "reason": "coalesce(usd_by, '')",
        "posted_at": "charge_period_start",
    }


def _everything() -> str:
    kinds = {column.name: column.kind for column in CHARGE_COLUMNS}
    types = {column.name: column.type for column in CHARGE_COLUMNS} | ENTRY_COLUMNS
    told = _told()
    names = list(types)
    imported = [
        f"{told[name]} AS {name}" if name in told else f"{_neutral(kinds.get(name, ''), types[name])} AS {name}"
        for name in names
    ]
    return (
        f"CREATE OR REPLACE VIEW {EVERYTHING} AS SELECT {', '.join(names)}, '{BURSAR}' AS source FROM charges "
        f"UNION ALL SELECT {', '.join(imported)}, '{IMPORTED}' AS source "
        f"FROM {TABLE} LEFT JOIN {CONVERTED} USING (row_key)"
    )


def _neutral(kind: str, type_: str) -> str:
    value = _NEUTRAL.get(kind, "NULL")
    return f"{'0' if type_ == 'BIGINT' else value}::{type_}"


def _table(name: str, columns: dict[str, str]) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"


IMPORTED_TABLES = (
    _table(TABLE, _OWN | ROW_COLUMNS),
    _table(
        IMPORTS,  # each file that brought or withdrew something
        {
            "import_id": "VARCHAR",
            "file_name": "VARCHAR",
            "imported_at": "TIMESTAMP",
            "actor": "VARCHAR",
            "rows": "BIGINT",
            "added": "BIGINT",
            "withdrawn": "BIGINT",
        },
    ),
    _table(
        CONVERTED,  # what rows in another currency come to, and by which rate; made anew when rates are added
        {"row_key": "UUID", **{f"usd_{name}": NUMBER for name in USD_COSTS}, "usd_by": "VARCHAR"},
    ),
    _everything(),
)

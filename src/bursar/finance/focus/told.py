"""What each column of FOCUS says, as SQL: over a profile of charges (`p`), a token class of it (`r`), what that is
called (`m`), the key's name (`k`) and the hour (`h`)."""

from collections.abc import Mapping

import msgspec

from bursar.finance.focus.columns import COSTS, FocusColumn
from bursar.finance.focus.commitments import PART, PROMISE_ID, PROMISE_NAME
from bursar.finance.focus.words import (
    CATEGORY,
    METERS,
    OTHER_METER,
    PURCHASE,
    REST,
    SELLERS,
    SUBCATEGORY,
    UNUSED,
    Meter,
)
from bursar.finance.reconcile.books import REASON
from bursar.finance.reconcile.causes import WORDS, Cause

EXACT = "DECIMAL(38,15)"  # a femto-dollar: a quantity times a unit price, unrounded
COUNT = "DECIMAL(38,6)"  # a millionth of what is priced by the million; with a point, as a reader may take 882 for text

TIMES = {
    "billing_period_start": "billing_month",
    "billing_period_end": "month_end",
    "charge_period_start": "start_at",
    "charge_period_end": "end_at",
}
TIME_TEXTS = {
    "billing_month": "month_text", "month_end": "month_end_text", "start_at": "start_text", "end_at": "end_text",
}  # fmt: skip

UNNAMED = "default"
"""The billing account of a site whose settings name no organization: FOCUS allows none that is empty."""


def literal(text: str) -> str:
    """Text of our own as SQL; nothing that a caller wrote comes this way unquoted."""
    return "'" + text.replace("'", "''") + "'"


PROMISE = PROMISE_ID
_IS_REST = f"r.class = '{REST}'"
_OF_COMMITMENT = f"('{PURCHASE}', '{UNUSED}')"
_PRICED = "r.quantity * coalesce(s.share, 1.000000)"
_OF_BILL = f"entry = 'adjustment' AND starts_with(reason, {literal(REASON)}) AND ends_with(reason, {{}})"
_CATEGORY = (
    "CASE "
    + " ".join(
        f"WHEN {_OF_BILL.format(literal(': ' + WORDS[cause].lower()))} THEN {literal(WORDS[cause])}"
        for cause in (Cause.TAX, Cause.CREDIT)
    )
    + " ELSE 'Adjustment' END"
)
"""Tax and credits of a bill, once they were accepted; all else that no class of tokens stands for is an adjustment."""
_SUB_ACCOUNT = (
    "CASE WHEN project <> '' THEN concat_ws('/', nullif(organization, ''), nullif(scope_team, ''), project) "
    "WHEN scope_team <> '' THEN concat_ws('/', nullif(organization, ''), scope_team) END"
)


def type_of(column: FocusColumn) -> str:
    """The SQL type of a column in a file."""
    return {"text": "VARCHAR", "json": "VARCHAR", "money": EXACT, "count": COUNT, "time": "TIMESTAMP"}[column.kind]


def told_by_profile(splits: Mapping[str, str]) -> dict[str, str]:
    """Over a profile's own columns. splits: tag → column of the profile."""
    tags = {"feature": "feature", "team": "team", "environment": "environment", **splits}
    pairs = [
        f"CASE WHEN {column} <> '' THEN {literal(f'{_json_text(tag)}:')} || to_json({column}) END"
        for tag, column in tags.items()
    ]
    return {
        "account": _account("organization"),
        "sub_account": _SUB_ACCOUNT,
        "seller": _seller("name"),
        "service": _seller("service"),
        "sku": "CASE WHEN sku_id = '' THEN provider || '/' || model ELSE sku_id END",
        "price_id": "CASE WHEN sku_price_id = '' THEN provider || '/' || model || '@unknown' ELSE sku_price_id END",
        "details": (
            "'{\"x_Model\":' || to_json(model) || CASE WHEN tier = '' THEN '' ELSE ',\"x_ServiceTier\":' || "
            "to_json(tier) END || ',\"x_TokenClass\":'"
        ),
        "tags_json": f"nullif('{{' || array_to_string([{', '.join(pairs)}], ',') || '}}', '{{}}')",
        "customer": f"nullif({splits['customer']}, '')" if "customer" in splits else "NULL::VARCHAR",
        "category": _CATEGORY,
        "part": PART,
        "promise_id": f"CASE WHEN {PART} IS NOT NULL THEN {PROMISE_ID} END",
        "promise_name": f"CASE WHEN {PART} IS NOT NULL THEN {PROMISE_NAME} END",
        "why": "CASE WHEN entry = 'usage' THEN '' ELSE ', ' || entry || ': ' || reason END",
    }


def texts() -> dict[str, str]:
    """Columns that are the same in every hour, by our names: over p, r.class, m and k."""

    def unless_rest(sql: str) -> str:
        return f"CASE WHEN NOT {_IS_REST} THEN {sql} END"

    return {
        "billing_account_id": "p.account",
        "billing_account_name": "p.account",
        "billing_account_type": "'Organization'",
        "billing_currency": "p.currency",
        "charge_category": (
            f"CASE WHEN {_IS_REST} THEN p.category WHEN r.class = '{PURCHASE}' THEN 'Purchase' ELSE 'Usage' END"
        ),
        "charge_class": "CASE WHEN p.is_late THEN 'Correction' END",
        "charge_description": (
            f"{_words('words')} || CASE WHEN p.part IS NULL THEN ' of ' || p.model ELSE ': ' || p.promise_name END "
            "|| p.why"
        ),
        "charge_frequency": (
            f"CASE WHEN {_IS_REST} THEN 'One-Time' WHEN r.class = '{PURCHASE}' "
            "THEN CASE WHEN p.kind = 'Reserved capacity' THEN 'Recurring' ELSE 'One-Time' END ELSE 'Usage-Based' END"
        ),
        "commitment_discount_category": (
            "CASE WHEN p.part IS NOT NULL THEN CASE WHEN p.kind = 'Reserved capacity' THEN 'Usage' ELSE 'Spend' END END"
        ),
        "commitment_discount_id": "p.promise_id",
        "commitment_discount_name": "p.promise_name",
        "commitment_discount_status": f"CASE WHEN r.class = '{UNUSED}' THEN 'Unused' END",
        "commitment_discount_type": "CASE WHEN p.part IS NOT NULL THEN coalesce(p.kind, 'Committed spend') END",
        "commitment_discount_unit": "CASE WHEN p.part IS NOT NULL AND NOT p.is_late THEN 'USD' END",
        "consumed_unit": unless_rest(f"nullif({_words('consumed_unit')}, '')"),
        "invoice_issuer_name": "p.seller",
        "pricing_category": unless_rest(f"CASE WHEN r.class = '{UNUSED}' THEN 'Committed' ELSE 'Standard' END"),
        "pricing_currency": "p.currency",
        "pricing_unit": unless_rest(_words("pricing_unit")),
        "provider_name": "p.seller",
        "publisher_name": "p.seller",
        "region_id": "nullif(p.region, '')",
        "region_name": "nullif(p.region, '')",
        "resource_id": "nullif(p.credential_id, '')",
        "resource_name": "k.name",
        "resource_type": "CASE WHEN p.credential_id <> '' THEN 'API Key' END",
        "service_category": literal(CATEGORY),
        "service_name": "p.service",
        "service_subcategory": literal(SUBCATEGORY),
        "sku_id": unless_rest("p.sku || '/' || r.class"),
        "sku_meter": unless_rest(_words("words")),
        "sku_price_details": unless_rest("p.details || to_json(r.class) || '}'"),
        "sku_price_id": unless_rest(
            "CASE WHEN p.part IS NULL THEN p.price_id ELSE p.sku || '@' || p.promise_id END || '/' || r.class"
        ),
        "sub_account_id": "p.sub_account",
        "sub_account_name": "nullif(CASE WHEN p.project = '' THEN p.scope_team ELSE p.project END, '')",
        "sub_account_type": "CASE WHEN p.project <> '' THEN 'Project' WHEN p.scope_team <> '' THEN 'Team' END",
        "tags": "p.tags_json",
        "x_model": "nullif(p.model, '')",
        "x_token_class": "r.class",
        "x_service_tier": "nullif(p.tier, '')",
        "x_key_id": "nullif(p.credential_id, '')",
        "x_project": "nullif(p.project, '')",
        "x_feature": "nullif(p.feature, '')",
        "x_team": "nullif(p.team, '')",
        "x_customer": "p.customer",
        "x_environment": "nullif(p.environment, '')",
        "x_quality": "p.quality",
        "x_entry": "p.entry",
    }


def figures() -> dict[str, str]:
    """Columns that each row has for itself: over r, and over s for how its class is priced."""
    unit_price = "r.price * coalesce(s.per_price, 1)"
    return {
        **{cost: f"r.{cost}" for cost in COSTS},
        "commitment_discount_quantity": (f"CASE WHEN r.class IN {_OF_COMMITMENT} AND NOT s.is_late THEN {_PRICED} END"),
        "consumed_quantity": f"CASE WHEN r.class NOT IN {_OF_COMMITMENT} THEN r.quantity END",
        "contracted_unit_price": unit_price,
        "list_unit_price": unit_price,
        "pricing_currency_contracted_unit_price": unit_price,
        "pricing_currency_effective_cost": "r.effective_cost",
        "pricing_currency_list_unit_price": unit_price,
        "pricing_quantity": _PRICED,
        "x_cache_read_tokens": "CASE WHEN r.class = 'cache_read' THEN r.quantity END",
        "x_charge_count": "r.charges",
    }


def told_unpriced(has_customer: bool) -> dict[str, str]:
    """The list of charges without a price, over their sums."""
    told = {
        name: f"nullif({name.removeprefix('x_')}, '')" for name in ("x_model", "x_feature", "x_team", "x_environment")
    }
    return told | {
        "charge_period_start": "start_at",
        "charge_period_end": "end_at",
        "billing_account_id": _account("organization"),
        "sub_account_id": _SUB_ACCOUNT,
        "provider_name": _seller("name"),
        "x_key_id": "nullif(credential_id, '')",
        "x_customer": "nullif(customer, '')" if has_customer else "NULL::VARCHAR",
        "x_quality": "'unpriced'",
        "x_unpriced_count": "attempts",
        "x_input_tokens": "tokens_in",
        "x_output_tokens": "tokens_out",
    }


def meters_sql() -> str:
    """A row for each token class: what it is called, and the part of a pricing unit that one of it is."""
    meters = {**METERS, REST: Meter("What charges cost beside their lines", "", "", 1)}
    values = ", ".join(
        f"({', '.join(literal(str(part)) for part in (name, meter.words, meter.consumed_unit, meter.pricing_unit))}, "
        f"{meter.per_price}, {'0.000001' if meter.per_price > 1 else '1'}::DECIMAL(7,6))"
        for name, meter in meters.items()
    )
    return f"FROM (VALUES {values}) AS meters(class, words, consumed_unit, pricing_unit, per_price, share)"


def _words(field: str) -> str:
    """Of a token class that nobody has described yet: a plain unit."""
    return f"coalesce(m.{field}, {literal(getattr(OTHER_METER, field))})"


def _account(column: str) -> str:
    return f"CASE WHEN {column} = '' THEN '{UNNAMED}' ELSE {column} END"


def _seller(field: str) -> str:
    whens = " ".join(
        f"WHEN {literal(provider)} THEN {literal(getattr(seller, field))}" for provider, seller in SELLERS.items()
    )
    otherwise = "provider" if field == "name" else "provider || ' API'"
    return f"CASE provider {whens} WHEN '' THEN 'Unknown' ELSE {otherwise} END"


def _json_text(text: str) -> str:
    return msgspec.json.encode(text).decode()

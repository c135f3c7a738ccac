"""Bills in the providers' own formats, written from their documents: OpenAI's and Anthropic's API references, the CUR
2.0 dictionary, Azure's export columns, Google's export schema, OpenRouter's activity.

Nothing here reads what the readers know: if both came from one table it could be wrong twice and never show.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from bursar.bench.reconcile_world import Traffic
from bursar.domain.money import femto_from_usd_per_million

Line = tuple[date, str, str, str, str]
"""(day, key, model, tier, class of usage)"""


def lines_of(traffic: Traffic) -> list[tuple[Line, int, Decimal]]:
    """(line, quantity, USD): what a provider's own books come to, exact; a doubled line is there twice."""
    counts: dict[Line, int] = defaultdict(int)
    femto: dict[Line, int] = defaultdict(int)
    for one in traffic.theirs:
        for unit, count in one.usage.items():
            line = (one.day, one.key, one.model, one.tier, unit)
            counts[line] += count
            femto[line] += count * femto_from_usd_per_million(one.rates[unit])
    found = []
    for line in sorted(counts):
        if counts[line]:
            usd = Decimal(femto[line]).scaleb(-15) + traffic.raised.get(line, Decimal(0))
            found += [(line, counts[line], usd)] * (2 if line in traffic.doubled else 1)
    return found


def openai_costs(traffic: Traffic, *, with_quantity: bool) -> bytes:
    """`/v1/organization/costs` grouped by project, line item and API key. amount.value is a JSON number, in dollars."""
    words = {"input": "input", "cache_read": "cached input", "output": "output", "cache_write_5m": "cache write"}
    buckets: dict[date, list[dict[str, Any]]] = defaultdict(list)
    lines = lines_of(traffic)
    if not with_quantity:  # grouped by project and line item alone
        sums: dict[Line, Decimal] = defaultdict(Decimal)
        for (day, _, model, tier, unit), _, usd in lines:
            sums[day, "", model, tier, unit] += usd
        lines = [(line, 0, usd) for line, usd in sums.items()]
    for (day, key, model, tier, unit), count, usd in lines:
        named = [model, *([] if tier == "standard" else [tier]), words[unit]]
        result: dict[str, Any] = {
            "object": "organization.costs.result",
            "amount": {"value": float(usd), "currency": "usd"},
            "line_item": ", ".join(named),
            "project_id": "proj_main",
            "api_key_id": key if with_quantity else None,
        }
        if with_quantity:
            result |= {"quantity": count, "quantity_unit": "tokens"}
        buckets[day].append(result)
    for extra in traffic.extras:
        buckets[extra.day].append(
            {
                "object": "organization.costs.result",
                "amount": {"value": float(extra.amount), "currency": "usd"},
                "line_item": extra.text,
                "project_id": None,
                "api_key_id": None,
            }
        )
    return _openai_page(buckets)


def openai_usage(traffic: Traffic) -> bytes:
    """`/v1/organization/usage/completions` grouped by key, project, model, batch and service tier."""
    rows: dict[tuple[date, str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (day, key, model, tier, unit), count, _ in {
        line: (line, n, usd) for line, n, usd in lines_of(traffic)
    }.values():
        rows[day, key, model, tier][unit] += count
    buckets: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for (day, key, model, tier), counts in sorted(rows.items()):
        whole = counts["input"] + counts["cache_read"] + counts["cache_write_5m"]
        buckets[day].append(
            {
                "object": "organization.usage.completions.result",
                "input_tokens": whole,
                "input_cached_tokens": counts["cache_read"],
                "input_cache_write_tokens": counts["cache_write_5m"],
                "output_tokens": counts["output"],
                "num_model_requests": 3,
                "project_id": "proj_main",
                "api_key_id": key,
                "model": model,
                "batch": tier == "batch",
                "service_tier": "default" if tier in ("standard", "batch") else tier,
            }
        )
    return _openai_page(buckets)


def _openai_page(buckets: dict[date, list[dict[str, Any]]]) -> bytes:
    data = [
        {"object": "bucket", "start_time": _seconds(day), "end_time": _seconds(day) + 86_400, "results": results}
        for day, results in sorted(buckets.items())
    ]
    return json.dumps({"object": "page", "data": data, "has_more": False, "next_page": None}).encode()


_ANTHROPIC = {
    "input": "uncached_input_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
}


def anthropic_costs(traffic: Traffic, workspaces: dict[str, str]) -> bytes:
    """`/v1/organizations/cost_report`: decimal strings in cents, by workspace and description; no API keys."""
    sums: dict[tuple[date, str, str, str, str], list[Decimal]] = defaultdict(list)
    for (day, key, model, tier, unit), _, usd in lines_of(traffic):
        at = (day, workspaces[key], model, tier, unit)
        is_again = (day, key, model, tier, unit) in traffic.doubled and bool(sums[at])
        if is_again or not sums[at]:
            sums[at].append(usd)
        else:
            sums[at][0] += usd
    buckets: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for (day, workspace, model, tier, unit), amounts in sorted(sums.items()):
        for usd in amounts:
            buckets[day].append(
                {
                    "amount": _plain(usd * 100),
                    "currency": "USD",
                    "cost_type": "tokens",
                    "token_type": _ANTHROPIC[unit],
                    "context_window": "0-200k",
                    "description": f"{model} Usage",
                    "model": model,
                    "service_tier": tier,
                    "inference_geo": "not_available",
                    "workspace_id": workspace,
                }
            )
    for extra in traffic.extras:
        nothing = dict.fromkeys(
            ("token_type", "context_window", "model", "service_tier", "inference_geo", "workspace_id")
        )
        buckets[extra.day].append(
            {"amount": _plain(extra.amount * 100), "currency": "USD", "cost_type": extra.kind,
             "description": extra.text, **nothing}
        )  # fmt: skip
    return _anthropic_page(buckets)


def anthropic_usage(traffic: Traffic, workspaces: dict[str, str]) -> bytes:
    """`/v1/organizations/usage_report/messages` grouped by key, workspace, model, tier, context window and geo."""
    rows: dict[tuple[date, str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in traffic.theirs:
        for unit, count in one.usage.items():
            rows[one.day, one.key, one.model, one.tier][unit] += count
    buckets: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for (day, key, model, tier), counts in sorted(rows.items()):
        buckets[day].append(
            {
                "uncached_input_tokens": counts["input"],
                "cache_creation": {
                    "ephemeral_1h_input_tokens": counts["cache_write_1h"],
                    "ephemeral_5m_input_tokens": counts["cache_write_5m"],
                },
                "cache_read_input_tokens": counts["cache_read"],
                "output_tokens": counts["output"],
                "server_tool_use": {"web_search_requests": 0},
                "api_key_id": key,
                "workspace_id": workspaces[key],
                "model": model,
                "service_tier": tier,
                "context_window": "0-200k",
                "inference_geo": "not_available",
            }
        )
    return _anthropic_page(buckets)


def _anthropic_page(buckets: dict[date, list[dict[str, Any]]]) -> bytes:
    data = [
        {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z", "results": results}
        for day, results in sorted(buckets.items())
    ]
    return json.dumps({"data": data, "has_more": False, "next_page": None}).encode()


def openrouter_activity(traffic: Traffic) -> bytes:
    """`/api/v1/activity`: a row a day and model; prompt tokens cached or not, money of all classes together."""
    rows: dict[tuple[date, str], dict[str, Any]] = {}
    for (day, _, model, _, unit), count, usd in lines_of(traffic):
        row = rows.setdefault(
            (day, model),
            {"date": str(day), "model": model, "model_permaslug": model, "endpoint_id": f"ep-{model}",
             "provider_name": "OpenAI", "usage": Decimal(0), "byok_usage_inference": 0, "requests": 3,
             "prompt_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0},
        )  # fmt: skip
        row["usage"] += usd
        row["completion_tokens" if unit == "output" else "prompt_tokens"] += count
    told = [{**row, "usage": float(row["usage"])} for row in rows.values()]
    return json.dumps({"data": told}).encode()


def aws_cur(traffic: Traffic, names: dict[str, str], *, parquet: bool = False) -> bytes:
    """CUR 2.0 rows. names: our model → the name in Bedrock's usage types, or `MP:` and a Marketplace product's name."""
    words = {"input": "input-tokens", "output": "output-tokens", "cache_read": "cache-read-input-token-count",
             "cache_write_5m": "cache-write-input-token-count"}  # fmt: skip
    market = {"input": "InputTokenCount", "output": "OutputTokenCount", "cache_read": "CacheReadInputTokenCount",
              "cache_write_5m": "CacheWriteInputTokenCount"}  # fmt: skip
    rows = []
    for number, ((day, key, model, tier, unit), count, usd) in enumerate(lines_of(traffic)):
        name = names[model]
        suffix = "" if tier == "standard" else tier
        if name.startswith("MP:"):
            usage_type = f"USE1-MP:USE1_{market[unit]}{'_' + suffix.capitalize() if suffix else ''}-Units"
            product, block = f"{name[3:]} (Amazon Bedrock Edition)", 1_000_000
        else:
            usage_type = f"USE1-{name}-{words[unit]}{'-' + suffix if suffix else ''}"
            product, block = "Amazon Bedrock", 1_000
        rows.append(_cur(day, key, "Usage", usage_type, product, Decimal(count) / block, usd, usage_type, number))
    rows += [
        _cur(
            extra.day, "111122223333", extra.kind.capitalize(), "", "Amazon Bedrock", None, extra.amount, extra.text, at
        )
        for at, extra in enumerate(traffic.extras)
    ]
    rows.append(_cur(traffic.first, "111122223333", "Usage", "USE1-BoxUsage:m5.large", "Amazon EC2", Decimal(24),
                     Decimal("2.304"), "$0.096 per On Demand Linux m5.large", 0))  # fmt: skip
    return _parquet(rows) if parquet else _csv(rows)


def _cur(
    day: date, account: str, kind: str, usage_type: str, product: str, amount: Decimal | None, usd: Decimal, said: str,
    number: int,
) -> dict[str, str]:  # fmt: skip
    return {
        "bill_payer_account_id": "111122223333",
        "line_item_usage_account_id": account,
        "line_item_line_item_type": kind,
        "line_item_usage_start_date": f"{day}T00:00:00.000Z",
        "line_item_usage_end_date": f"{day + timedelta(days=1)}T00:00:00.000Z",
        "line_item_product_code": "AmazonEC2" if "EC2" in product else "AmazonBedrock",
        "line_item_usage_type": usage_type,
        "line_item_operation": "",
        "line_item_usage_amount": "" if amount is None else _plain(amount),
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": _plain(usd),
        "line_item_line_item_description": said,
        "product_product_name": product,
        "identity_line_item_id": f"li{number:06d}" if kind != "Usage" else "",
    }


def azure_export(traffic: Traffic, meters: dict[str, str]) -> bytes:
    """EA actual cost: quantities in blocks of the unit of measure, money in the billing currency. meters: our model →
    the meter's words for it."""
    words = {"input": "Inp", "output": "Outp", "cache_read": "cchd Inp"}
    rows = []
    for (day, key, model, tier, unit), count, usd in lines_of(traffic):
        measure, block = ("1M", 1_000_000) if unit == "output" else ("1K", 1_000)
        batch = "Batch " if tier == "batch" else ""
        rows.append(
            _azure(traffic, day, key, f"{meters[model]} {batch}{words[unit]} glbl Tokens", Decimal(count) / block,
                   measure, usd * traffic.rate, "Usage")
        )  # fmt: skip
    kinds = {"tax": "Tax", "credit": "Refund", "fee": "Purchase"}
    rows += [
        _azure(traffic, extra.day, "", extra.text, Decimal(1), "1", extra.amount, kinds[extra.kind])
        for extra in traffic.extras
    ]
    return _csv(rows)


def _azure(
    traffic: Traffic, day: date, key: str, meter: str, quantity: Decimal, measure: str, cost: Decimal, kind: str
) -> dict[str, str]:
    return {
        "BillingAccountId": "8611537",
        "SubscriptionId": "1caaa5a3-2b66-438e-8ab4-bce37d518c5d",
        "Date": day.strftime("%m/%d/%Y"),
        "Product": "Azure OpenAI - " + meter,
        "MeterCategory": "Foundry Models",
        "MeterSubCategory": "Azure OpenAI",
        "MeterName": meter,
        "Quantity": _plain(quantity),
        "UnitOfMeasure": measure,
        "CostInBillingCurrency": _plain(cost),
        "BillingCurrency": traffic.currency,
        "ExchangeRatePricingToBilling": _plain(traffic.rate),
        "ResourceName": key,
        "ChargeType": kind,
    }


def gcp_rows(traffic: Traffic, skus: dict[str, str]) -> bytes:
    """The billing export as a row a line. skus: our model → the words of its SKU. Credits stand inside rows."""
    words = {"input": "Text Input", "output": "Text Output", "cache_read": "Cached Text Input"}
    rows = []
    for (day, key, model, tier, unit), count, usd in lines_of(traffic):
        said = f"{skus[model]} GA {words[unit]}{' Batch' if tier == 'batch' else ''} - Predictions"
        rows.append(_gcp(day, key, said, "regular", usd, count, []))
    for extra in traffic.extras:
        if extra.kind == "credit":
            credit = {"id": "promo", "name": extra.text, "type": "PROMOTION", "amount": float(extra.amount)}
            rows.append(_gcp(extra.day, rows[0]["project"]["id"], "Gemini support", "regular", Decimal(0), 0, [credit]))
        else:
            rows.append(_gcp(extra.day, "", extra.text, extra.kind, extra.amount, 0, []))
    return b"\n".join(json.dumps(row).encode() for row in rows)


def _gcp(
    day: date, project: str, said: str, kind: str, usd: Decimal, count: int, credits_: Sequence[Any]
) -> dict[str, Any]:
    return {
        "billing_account_id": "000000-000000-000000",
        "invoice": {"month": day.strftime("%Y%m")},
        "cost_type": kind,
        "service": {"id": "C7E2-9256-1C43", "description": "Vertex AI"},
        "sku": {"id": re.sub(r"\W+", "-", said)[:40], "description": said},
        "usage_start_time": f"{day}T00:00:00Z",
        "usage_end_time": f"{day + timedelta(days=1)}T00:00:00Z",
        "project": {"id": project},
        "location": {"location": "us-central1", "region": "us-central1"},
        "cost": float(usd),
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "usage": {"amount": float(count), "unit": "count", "amount_in_pricing_units": float(count),
                  "pricing_unit": "count"},
        "credits": list(credits_),
    }  # fmt: skip


def plain_csv(traffic: Traffic, *, places: int | None = None) -> bytes:
    """A CSV as smaller vendors send it. places: amounts are rounded to so many."""
    words = {"input": "Prompt tokens", "output": "Completion tokens", "cache_read": "Cached prompt tokens",
             "cache_write_5m": "Cache write tokens"}  # fmt: skip
    rows = []
    for (day, key, model, tier, unit), count, usd in lines_of(traffic):
        amount = usd * traffic.rate
        rows.append(
            {"Day": str(day), "API key": key, "Model": model, "Item": words[unit], "Service": tier,
             "Tokens": str(count), "Cost": _plain(amount if places is None else round(amount, places))}
        )  # fmt: skip
    rows += [
        {"Day": str(extra.day), "API key": "", "Model": "", "Item": extra.text, "Service": "", "Tokens": "",
         "Cost": _plain(extra.amount if places is None else round(extra.amount, places))}
        for extra in traffic.extras
    ]  # fmt: skip
    return _csv(rows)


def _csv(rows: Sequence[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _parquet(rows: Sequence[dict[str, str]]) -> bytes:
    """As AWS writes it: costs are doubles."""
    import tempfile  # beside its one use: everything else here is in memory
    from pathlib import Path

    doubles = ("line_item_usage_amount", "line_item_unblended_cost")
    with tempfile.TemporaryDirectory(prefix="bursar-bill-") as directory:
        source, made = Path(directory) / "rows.csv", Path(directory) / "rows.parquet"
        source.write_bytes(_csv(rows))
        columns = ", ".join(
            f"nullif({name}, '')::{'DOUBLE' if name in doubles else 'VARCHAR'} AS {name}" for name in rows[0]
        )
        with duckdb.connect(":memory:") as connection:
            connection.execute(
                f"COPY (SELECT {columns} FROM read_csv('{source}', all_varchar = true)) TO '{made}' (FORMAT parquet)"
            )
        return made.read_bytes()


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

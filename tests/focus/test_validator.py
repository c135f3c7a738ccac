"""The FinOps Foundation's validator over an export with everything in it: what fails is what docs/focus.md explains.

`make test-focus` runs it: the validator is installed in an environment of its own, and asks the network for nothing.
"""

import re
import subprocess
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.finance.focus.books import (
    FOUR,
    START,
    Charge,
    adjustment,
    books,
    charge,
    correction,
    days,
    reversal,
    unpriced,
)  # fmt: skip

from bursar.finance.focus.export import Extra, export
from bursar.ledger.store import Ledger

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 300
VERSION = "1.2.0.1"  # of the rules that the validator brings with it
CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED", "COMMITMENT_DISCOUNT_SUPPORTED", "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
    "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED", "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED", "NEGOTIATED_PRICING_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED", "USAGE_MEASUREMENT_SUPPORTED", "UNIT_PRICING_SUPPORTED", "SUB_ACCOUNT_SUPPORTED",
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED", "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED", "VIRTUAL_CURRENCY_SUPPORTED", "REGION_SUPPORTED",
    "TAGGING_SUPPORTED",
)  # fmt: skip
LINES = [("input", 1_200, Decimal("0.00000125")), ("cache_read", 9_000, Decimal("0.000000125")),
         ("output", 80, Decimal("0.0000100000005"))]  # fmt: skip
MEDIA = [("web_search", 2, Decimal("0.01")), ("images", 1, Decimal("0.04")), ("audio_seconds", 31, Decimal("0.0001")),
         ("characters", 900, Decimal("0.000015")), ("cache_storage", 3, Decimal("0.000001")),
         ("cache_storage_part", 1, Decimal("0.000000001944445"))]  # fmt: skip


def everything(ledger_dir: Path) -> AbstractContextManager[Ledger]:
    """Charges of every kind that the books know."""
    plain = charge(START, LINES)
    late = START + timedelta(days=20)
    wrong = charge(START + timedelta(hours=1), LINES, region="eu-west-1", provider="aws", model="claude-opus-5")
    return books(ledger_dir, [
        plain,
        charge(START + timedelta(hours=2), MEDIA, provider="google", tier_served="batch", project="", feature=""),
        charge(START + timedelta(hours=2), LINES, scope_team="", project="", credential_id="", team="", tags={}),
        charge(START, [], **dict.fromkeys(FOUR, Decimal("0.25")), quality="assumed", sku_id="", sku_price_id=""),
        charge(START, [], provider="local", model="llama"),
        unpriced(START, model="new-model"),
        wrong, reversal(wrong, late), correction(wrong, LINES, late),
        adjustment(plain, late, contracted_cost=Decimal("-0.001"), effective_cost=Decimal("-0.001"),
                   billed_cost=Decimal("-0.001")),
        adjustment(plain, START + timedelta(hours=5), effective_cost=Decimal("-0.0005")),
        of_contract("purchase", "ptu", billed_cost=Decimal(48)), of_contract("idle", "ptu", effective_cost=Decimal(46)),
        of_contract("purchase", "pack", billed_cost=Decimal(4)),
        of_contract("expired", "pack", effective_cost=Decimal("0.123456789012")),
        of_contract("unused", "year", effective_cost=Decimal(9), billed_cost=Decimal(9)),
        of_contract("unused", "year", effective_cost=Decimal(-1), posted_at=late),
    ])  # fmt: skip


def of_contract(kind: str, name: str, *, posted_at: datetime = START, **costs: Decimal) -> Charge:
    """What a contract posts that stands for no call."""
    about = {"sku_id": f"contract/{kind}/{name}", "reason": "contract acme, version 1", "model": "", "sku_price_id": "",
             "credential_id": "", "feature": "", "attempt_id": None, "call_id": None}  # fmt: skip
    return adjustment(charge(START), posted_at, **costs) | about


def extra(category: str, frequency: str, description: str, cost: str, **changes: str) -> Extra:
    own = {
        "billing_account_id": "acme", "billing_account_name": "acme", "billing_account_type": "Organization",
        "billing_currency": "USD", "pricing_currency": "USD", "billing_period_start": "2026-10-01 00:00:00",
        "billing_period_end": "2026-11-01 00:00:00", "charge_period_start": "2026-10-01 00:00:00",
        "charge_period_end": "2026-11-01 00:00:00", "charge_category": category, "charge_frequency": frequency,
        "charge_description": description, "invoice_issuer_name": "OpenAI", "provider_name": "OpenAI",
        "publisher_name": "OpenAI", "service_category": "AI and Machine Learning", "service_name": "OpenAI API",
        "service_subcategory": "Generative AI", "invoice_id": "INV-1", **dict.fromkeys(FOUR, cost),
        "pricing_currency_effective_cost": cost,
    }  # fmt: skip
    return own | changes


def of_commitment(quantity: str, cost: str, **changes: str) -> dict[str, str]:
    priced = {"pricing_quantity": quantity, "pricing_unit": "Hours", "sku_id": "ptu", "sku_price_id": "ptu@2026",
              "sku_meter": "Provisioned throughput"}  # fmt: skip
    prices = ("list_unit_price", "contracted_unit_price")
    unit = str(Decimal(cost) / Decimal(quantity))
    priced |= dict.fromkeys((*prices, *(f"pricing_currency_{name}" for name in prices)), unit)
    own = {
        "commitment_discount_id": "ptu-1", "commitment_discount_name": "Throughput of October",
        "commitment_discount_category": "Usage", "commitment_discount_type": "Provisioned throughput",
        "commitment_discount_quantity": quantity, "commitment_discount_unit": "Hours", "resource_id": "ptu-1",
        "resource_name": "Throughput of October", "resource_type": "Commitment",
    }  # fmt: skip
    return priced | own | changes


def extras(_period: object) -> list[Extra]:
    nothing = {"effective_cost": "0", "pricing_currency_effective_cost": "0"}
    used = {"pricing_category": "Committed", "billed_cost": "0"}
    return [
        extra("Tax", "One-Time", "IGST 18 %", "1.80"),
        extra("Credit", "One-Time", "Promotional credit", "-5"),
        extra("Adjustment", "One-Time", "Rounding of the invoice", "0.01"),
        extra("Purchase", "Recurring", "Provisioned throughput", "100", **of_commitment("10", "100"), **nothing,
              pricing_category="Standard"),
        extra("Usage", "Usage-Based", "Throughput that was used", "60",
              **of_commitment("6", "60", commitment_discount_status="Used"), **used, consumed_quantity="6",
              consumed_unit="Hours"),
        extra("Usage", "Usage-Based", "Throughput that was not used", "40",
              **of_commitment("4", "40", commitment_discount_status="Unused"), **used),
    ]  # fmt: skip


def failing(validator: Path, file: Path) -> set[str]:
    """Rules that fail, without those that fail only because one of them does."""
    packages = next(validator.parents[1].glob("lib/python3.*/site-packages"))
    command = [str(validator), "-m", "focus_validator.main", "--data-file", str(file), "--validate-version", VERSION,
               "--block-download", "--show-violations", "--applicability-criteria", ",".join(CRITERIA)]  # fmt: skip
    done = subprocess.run(  # it opens its list of currencies relative to where it runs
        command, cwd=packages, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert "=== Validation Results ===" in done.stdout, done.stderr[-3_000:]
    found = re.findall(r"^❌ (\S+): FAIL +\((.*)$", done.stdout, re.MULTILINE)
    passed = len(re.findall(r"^✅ ", done.stdout, re.MULTILINE))
    assert passed > 250, done.stdout[:500]
    return {rule for rule, why in found if "failed child rules" not in why}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_rule_that_fails_is_explained(validator: Path, tmp_path: Path, form: str):
    page = (ROOT / "docs" / "focus.md").read_text("utf-8")
    explained = set(re.findall(r"^\| `(\w+-[CDA]-\d+-[CMO])` \|", page, re.MULTILINE))
    with everything(tmp_path) as ledger:
        file = tmp_path / f"everything.{form}"
        done = export(ledger, days(0, 4), file, form=form, splits=["customer"], extras=[extras],
                      key_names={"vk_1": "Shop backend"})  # type: ignore[arg-type]  # parametrized  # fmt: skip
    assert (done.extra_rows, done.unpriced) == (6, 1)
    assert failing(validator, file) == explained

"""What is written is what the books say: the same sums to the last pico-dollar, in either format, in the same bytes."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.finance.focus.books import (
    FOUR,
    PICO,
    START,
    Charge,
    adjustment,
    books,
    charge,
    days,
    histories,
    refilled,
    reversal,
    unpriced,
)  # fmt: skip

from bursar.domain.errors import BadQuery
from bursar.domain.periods import Period
from bursar.explore.query import Explorer, Query
from bursar.finance.focus import export as exporting
from bursar.finance.focus.columns import BY_OURS, COLUMNS
from bursar.finance.focus.export import BY_RECEIPT, export, export_unpriced
from bursar.finance.reconcile.books import REASON
from bursar.finance.reconcile.causes import WORDS, Cause
from bursar.ledger.store import Ledger

MILLIONTH = Decimal("0.000001")


def written(ledger: Ledger, period: Period, file: Path, **how: object) -> list[dict[str, str]]:
    export(ledger, period, file, **how)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8"), newline="")))


def sums(rows: list[dict[str, str]]) -> dict[str, Decimal]:
    return {name: sum((Decimal(row[BY_OURS[name].name]) for row in rows), Decimal(0)) for name in FOUR}


def explored(ledger: Ledger, period: Period, **filters: str) -> dict[str, Decimal]:
    query = Query(period, FOUR, filters=tuple(filters.items()))
    totals = Explorer(ledger).run(query).totals
    return {name: totals[name] or Decimal(0) for name in FOUR}


PROPERTY = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with books(tmp_path, []) as ledger:
        yield ledger


@PROPERTY
@given(history=histories(), first=st.integers(0, 3), minutes=st.sampled_from([0, 330]))
def test_the_four_costs_are_explores_over_any_period_and_by_any_feature(tmp_path, book, history, first, minutes):
    shift = timedelta(minutes=minutes)  # midnight of a zone that is half an hour off UTC's hours
    period = Period(START + timedelta(days=first) + shift, START + timedelta(days=first + 2) + shift)
    ledger = refilled(book, history)
    rows = written(ledger, period, tmp_path / "month.csv")
    assert sums(rows) == explored(ledger, period)
    for feature in {row["feature"] for row in history}:
        of_it = [row for row in rows if row["x_Feature"] == feature]
        assert sums(of_it) == explored(ledger, period, feature=feature)
    done = export(ledger, period, tmp_path / "month.csv")
    assert done.costs == explored(ledger, period)
    assert done.unpriced == sum(
        row["weight"] for row in history if row["list_cost"] is None and row["received_at"] in period
    )


@PROPERTY
@given(history=histories())
def test_csv_and_parquet_say_the_same_and_a_second_file_is_the_first_again(tmp_path, book, history):
    ledger = refilled(book, history)
    rows = written(ledger, days(0, 4), tmp_path / "a.csv", splits=["customer"])
    export(ledger, days(0, 4), tmp_path / "b.csv", splits=["customer"])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    export(ledger, days(0, 4), tmp_path / "a.parquet", form="parquet", splits=["customer"])
    relation = duckdb.connect().read_parquet(str(tmp_path / "a.parquet"))
    assert relation.columns == [column.name for column in COLUMNS]
    said = Counter(tuple(_value(row[column.name], column.kind) for column in COLUMNS) for row in rows)
    typed = Counter(
        tuple(_typed(cell, column.kind) for column, cell in zip(COLUMNS, cells, strict=True))
        for cells in relation.fetchall()
    )
    assert said == typed


def _value(text: str, kind: str) -> object:
    return Decimal(text) if text and kind in ("money", "count") else text


def _typed(cell: Any, kind: str) -> object:
    if cell is None:
        return ""
    return cell.strftime("%Y-%m-%dT%H:%M:%SZ") if kind == "time" else cell


@PROPERTY
@given(history=histories())
def test_a_cost_is_its_quantity_times_its_unit_price_to_the_last_digit(tmp_path, book, history):
    for row in written(refilled(book, history), days(0, 4), tmp_path / "month.csv"):
        if row["ListUnitPrice"]:
            assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
            assert Decimal(row["ListUnitPrice"]) >= 0
        else:
            assert (row["ChargeCategory"], row["x_TokenClass"]) == ("Adjustment", "rest")


def test_what_rounding_leaves_is_a_row_of_its_own(tmp_path):
    third = Decimal("0.000000000000333")
    with books(tmp_path, [charge(START, [("input", 1, third)]) for _ in range(3)]) as ledger:
        rows = written(ledger, days(0, 1), tmp_path / "month.csv")
    by_class = {row["x_TokenClass"]: row for row in rows}
    assert Decimal(by_class["input"]["ListCost"]) == 3 * third
    assert Decimal(by_class["rest"]["ListCost"]) == -3 * third
    assert by_class["rest"]["ChargeDescription"] == "What charges cost beside their lines of gpt-5"


def test_tokens_are_priced_by_the_million_and_told_by_class(tmp_path):
    lines = [("input", 400, Decimal("0.00000125")), ("cache_read", 9_000, Decimal("0.000000125"))]
    with books(tmp_path, [charge(START, lines), charge(START + timedelta(minutes=5), lines)]) as ledger:
        rows = written(ledger, days(0, 1), tmp_path / "month.csv", key_names={"vk_1": "Shop backend"})
    assert [row["x_TokenClass"] for row in rows] == ["cache_read", "input"]
    cached = {name: text for name, text in rows[0].items() if text}
    assert cached | {"ListCost": "0.00225"} == cached | {"ListCost": f"{Decimal(cached['ListCost']).normalize():f}"}
    assert Decimal(cached["PricingQuantity"]) == 18_000 * MILLIONTH
    assert (cached["PricingUnit"], cached["ConsumedUnit"]) == ("1000000 Tokens", "Tokens")
    assert Decimal(cached["ConsumedQuantity"]) == Decimal(cached["x_CacheReadTokens"]) == 18_000
    assert cached["ChargePeriodStart"] == "2026-10-30T00:00:00Z"
    assert cached["ChargePeriodEnd"] == "2026-10-30T01:00:00Z"
    assert cached["BillingPeriodEnd"] == "2026-11-01T00:00:00Z"
    assert cached["Tags"] == '{"feature":"search","team":"core","environment":"production"}'
    assert (cached["ProviderName"], cached["ServiceName"]) == ("OpenAI", "OpenAI API")
    assert (cached["ResourceId"], cached["ResourceName"]) == ("vk_1", "Shop backend")
    assert cached["SubAccountId"] == "acme/core/shop"
    assert cached["SkuPriceId"] == "genai-prices:openai/gpt-5@origin#default/cache_read"


def test_a_correction_of_a_billed_month_says_so_and_is_of_the_month_it_was_posted_in(tmp_path):
    one = charge(START, [("input", 10, Decimal("0.001"))])
    soon, late = reversal(one, START + timedelta(hours=3)), reversal(one, START + timedelta(days=20))
    with books(tmp_path, [one, soon, late]) as ledger:
        rows = written(ledger, days(0, 1), tmp_path / "month.csv")
    told = sorted(
        (row["x_Entry"], row["ChargeClass"], row["BillingPeriodStart"], row["ConsumedQuantity"]) for row in rows
    )
    assert told == [
        ("reversal", "", "2026-10-01T00:00:00Z", "-10.0"),
        ("reversal", "Correction", "2026-11-01T00:00:00Z", "-10.0"),
        ("usage", "", "2026-10-01T00:00:00Z", "10.0"),
    ]


def test_charges_without_a_price_are_in_no_row_but_in_a_list_of_their_own(tmp_path):
    known = charge(START, [("input", 10, Decimal("0.001"))])
    unknown = [unpriced(START, input_tokens=70, output_tokens=5, model="new-model") for _ in range(2)]
    since_priced = unpriced(START + timedelta(hours=1))
    with books(tmp_path, [known, *unknown, since_priced, reversal(since_priced, START)]) as ledger:
        done = export(ledger, days(0, 1), tmp_path / "month.csv")
        assert (done.rows, done.unpriced) == (1, 2)
        assert export_unpriced(ledger, days(0, 1), tmp_path / "unpriced.csv") == 2
    (row,) = csv.DictReader((tmp_path / "unpriced.csv").read_text("utf-8").splitlines())
    assert (row["x_Model"], row["x_Quality"], row["x_UnpricedCount"]) == ("new-model", "unpriced", "2")
    assert (row["x_InputTokens"], row["x_OutputTokens"]) == ("140", "10")


def test_tax_and_credits_of_a_bill_that_were_accepted_say_what_they_are(tmp_path):
    used = charge(START, [("input", 10, Decimal("0.001"))])

    def accepted(cause: Cause, cost: str) -> Charge:
        entry = adjustment(used, START, billed_cost=Decimal(cost), effective_cost=Decimal(cost))
        return entry | {"reason": f"{REASON}in_1: {WORDS[cause].lower()}"}

    entries = [accepted(Cause.TAX, "1.8"), accepted(Cause.CREDIT, "-5"), accepted(Cause.FEE, "7")]
    contract = adjustment(used, START, billed_cost=Decimal("-0.5"))
    with books(tmp_path, [used, *entries, contract]) as ledger:
        rows = written(ledger, days(0, 1), tmp_path / "month.csv")
    told = {(row["ChargeCategory"], Decimal(row["BilledCost"])) for row in rows if row["ChargeCategory"] != "Usage"}
    assert told == {
        ("Tax", Decimal("1.8")), ("Credit", Decimal(-5)), ("Adjustment", Decimal(7)), ("Adjustment", Decimal("-0.5")),
    }  # fmt: skip


def test_rows_that_finance_hands_in_are_written_and_told_apart_from_charges(tmp_path):
    tax = {
        "charge_category": "Tax", "charge_description": "IGST 18 %", "charge_frequency": "One-Time",
        "billed_cost": "1.80", "effective_cost": "1.80", "list_cost": "1.80", "contracted_cost": "1.80",
        "charge_period_start": "2026-10-01 00:00:00", "charge_period_end": "2026-11-01 00:00:00",
    }  # fmt: skip
    with books(tmp_path, [charge(START, [("input", 10, Decimal("0.001"))])]) as ledger:
        done = export(ledger, days(0, 1), tmp_path / "month.csv", extras=[lambda _: [tax]])
    assert (done.rows, done.extra_rows, done.extra_costs["billed_cost"]) == (2, 1, Decimal("1.80"))
    assert done.costs["billed_cost"] == Decimal("0.01")
    rows = list(csv.DictReader((tmp_path / "month.csv").read_text("utf-8").splitlines()))
    assert [row["ChargeCategory"] for row in rows] == ["Usage", "Tax"]
    assert rows[1]["ChargePeriodStart"] == "2026-10-01T00:00:00Z"
    assert rows[1]["SkuId"] == ""


def test_a_closed_month_is_written_as_it_was_booked(tmp_path):
    one = charge(START, [("input", 10, Decimal("0.001"))])
    with books(tmp_path, [one, reversal(one, START + timedelta(days=20))]) as ledger:
        closed = {"closed": START.replace(tzinfo=None) + timedelta(days=2)}
        booked = msgspec.structs.replace(BY_RECEIPT, where=f"{BY_RECEIPT.where} AND posted_at < $closed", params=closed)
        rows = written(ledger, days(0, 1), tmp_path / "month.csv", booked=booked)
    assert [row["x_Entry"] for row in rows] == ["usage"]


def test_an_export_in_many_stretches_is_the_export_in_one(tmp_path, monkeypatch):
    charges = [charge(START + timedelta(minutes=20 * n), [("input", n, Decimal("0.00001"))]) for n in range(1, 90)]
    with books(tmp_path, charges) as ledger:
        export(ledger, days(0, 3), tmp_path / "whole.csv")
        export(ledger, days(0, 3), tmp_path / "whole.parquet", form="parquet")
        monkeypatch.setattr(exporting, "STRETCH_CHARGES", 7)
        export(ledger, days(0, 3), tmp_path / "parts.csv")
        export(ledger, days(0, 3), tmp_path / "parts.parquet", form="parquet")
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "parts.csv").read_bytes()
    whole, parts = (duckdb.connect().read_parquet(str(tmp_path / f"{name}.parquet")) for name in ("whole", "parts"))
    assert sorted(whole.fetchall(), key=str) == sorted(parts.fetchall(), key=str)
    assert not list(tmp_path.glob(".*"))


def test_an_empty_period_is_a_file_with_its_head(tmp_path):
    with books(tmp_path, []) as ledger:
        assert written(ledger, days(0, 1), tmp_path / "none.csv") == []
        export(ledger, days(0, 1), tmp_path / "none.parquet", form="parquet")
    assert (tmp_path / "none.csv").read_text().startswith("AvailabilityZone,BilledCost,")
    assert duckdb.connect().read_parquet(str(tmp_path / "none.parquet")).columns[1] == "BilledCost"


def test_an_export_that_fails_leaves_no_file_and_no_parts(tmp_path):
    with books(tmp_path, [charge(START, [("input", 10, Decimal("0.001"))])]) as ledger:
        with pytest.raises(BadQuery, match="can't be split by 'model'"):
            export(ledger, days(0, 1), tmp_path / "month.csv", splits=["model"])
        with pytest.raises(ZeroDivisionError):
            export(ledger, days(0, 1), tmp_path / "month.csv", extras=[lambda _: 1 // 0])  # type: ignore[list-item]
    assert [path for path in tmp_path.iterdir() if path.suffix != ".duckdb"] == []


def test_a_charge_keeps_its_cost_at_a_tenth_of_a_pico_dollar(tmp_path):
    with books(tmp_path, [charge(START, [("input", 7, Decimal("0.0000000000001"))])]) as ledger:
        rows = written(ledger, days(0, 1), tmp_path / "month.csv")
    assert sums(rows)["billed_cost"] == Decimal("7e-13").quantize(PICO)

"""Bills come in once, all or nothing, and stay apart from LLM cost."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.finance.focus.books import START, books, charge, days, histories, refilled

from bursar.domain.periods import Period
from bursar.explore.query import Explorer, Query
from bursar.finance.focus.columns import FOCUS_COLUMNS
from bursar.finance.focus.export import export
from bursar.finance.focus.importing import Imported, export_imported, import_file, imports, refuse_faults
from bursar.finance.focus.reading import BadFocusFile
from bursar.ledger.imported import IMPORTS, TABLE
from bursar.ledger.store import Ledger

GOLDEN = Path(__file__).parents[2] / "golden" / "focus"
NOW_US = 1_795_000_000_000_000
HEAD = ("BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "BillingPeriodStart", "ChargeCategory",
        "ChargePeriodStart", "ChargePeriodEnd", "ProviderName", "ServiceName", "Tags", "x_Own")  # fmt: skip
PROPERTY = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with books(tmp_path, []) as ledger:
        yield ledger


def row(cost: str = "1.5", service: str = "Compute", month: str = "2026-10", **changes: str) -> list[str]:
    start, end = f"{month}-30T05:00:00Z", f"{month}-30T06:00:00Z"
    cells = [cost, cost, "USD", "acc-1", f"{month}-01T00:00:00Z", "Usage", start, end, "Cloud Co", service]
    own = dict(zip(HEAD, [*cells, '{"team":"core"}', "note"], strict=True))
    return list((own | changes).values())


def bill(directory: Path, rows: Sequence[Sequence[str]], name: str = "bill.csv", head: Sequence[str] = HEAD) -> Path:
    file = directory / name
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([head, *rows])
    return file


def take(ledger: Ledger, file: Path, *, replace: bool = False) -> Imported:
    return import_file(ledger, file, file.name, "tests", NOW_US, replace=replace)


def costs(ledger: Ledger, period: Period, **filters: str) -> Decimal | None:
    totals = Explorer(ledger).run(Query(period, ("billed_cost",), filters=tuple(filters.items()))).totals
    found: Decimal | None = totals["billed_cost"]
    return found


def standing(ledger: Ledger, file: Path) -> list[list[str]]:
    export_imported(ledger, file)
    return sorted(csv.reader(io.StringIO(file.read_text("utf-8"), newline="")))


def emptied(ledger: Ledger) -> Ledger:
    with ledger.writing() as session:
        session.run(f"DELETE FROM {TABLE}")
        session.run(f"DELETE FROM {IMPORTS}")
    return ledger


bills = st.lists(
    st.tuples(st.sampled_from(["1.5", "-0.25", "0.1"]), st.sampled_from(["Compute", "Storage"])), max_size=6
)


@PROPERTY
@given(first=bills, second=bills)
def test_import_twice_is_import_once_in_any_order(tmp_path, book, first, second):
    """What stands is each row as often as the file that has it most often says."""
    one, two = (
        bill(tmp_path, [row(*each) for each in rows], name) for rows, name in ((first, "1.csv"), (second, "2.csv"))
    )
    outcomes = []
    for files in ((one, two), (two, one, one, two, one)):
        ledger = emptied(book)
        for file in files:
            take(ledger, file)
        outcomes.append(standing(ledger, tmp_path / "standing.csv"))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) - 1 == sum((Counter(first) | Counter(second)).values())


@PROPERTY
@given(first=bills, second=bills)
def test_a_file_that_tells_its_periods_anew_leaves_what_it_says(tmp_path, book, first, second):
    ledger = emptied(book)
    other_month = bill(tmp_path, [row("7", month="2026-09")], "other.csv")
    rows = [row(*each) for each in second] or [row("9")]
    for file, replace in ((other_month, False), (bill(tmp_path, [row(*each) for each in first], "1.csv"), False)):
        take(ledger, file, replace=replace)
    anew = bill(tmp_path, rows, "2.csv")
    take(ledger, anew, replace=True)
    assert take(ledger, anew, replace=True).withdrawn == 0
    expected = sum((Decimal(one[0]) for one in rows), Decimal(7))
    whole = Period(START - timedelta(days=60), START + timedelta(days=30))
    assert costs(ledger, whole, source="imported") == expected
    assert len(standing(ledger, tmp_path / "standing.csv")) == len(rows) + 2


@PROPERTY
@given(history=histories(), form=st.sampled_from(["csv", "parquet"]))
def test_export_then_import_is_the_same_rows_again(tmp_path, book, history, form):
    ledger = emptied(refilled(book, history))
    done = export(ledger, days(0, 4), tmp_path / f"month.{form}", form=form)
    export(ledger, days(0, 4), tmp_path / "month.csv")
    taken = take(ledger, tmp_path / f"month.{form}")
    assert (taken.fault_count, taken.added) == (0, done.rows)
    assert take(ledger, tmp_path / "month.csv").added == 0  # the other format says the same
    names = [column.name for column in FOCUS_COLUMNS]
    kinds = {column.name: column.kind for column in FOCUS_COLUMNS}

    def told(file: Path) -> Counter[tuple[str | Decimal, ...]]:
        rows = csv.DictReader(io.StringIO(file.read_text("utf-8"), newline=""))
        return Counter(tuple(_same(one[name], kinds[name]) for name in names) for one in rows)

    export_imported(ledger, tmp_path / "again.csv")
    assert told(tmp_path / "again.csv") == told(tmp_path / "month.csv")
    assert costs(ledger, days(0, 4), source="imported") == done.costs["billed_cost"]
    assert (costs(ledger, days(0, 4), source="bursar") or 0) == done.costs["billed_cost"]


def _same(text: str, kind: str) -> str | Decimal:
    if text and kind in ("money", "count"):
        return Decimal(text)
    return "".join(sorted(text)) if kind == "json" else text  # keys come in another order


def test_imported_cost_is_seen_only_by_who_asks_for_it(tmp_path, book):
    ledger = refilled(book, [charge(START, [("input", 100, Decimal("0.01"))])])
    take(ledger, bill(tmp_path, [row("5")]))
    explorer, period = Explorer(ledger), days(0, 2)
    assert costs(ledger, period) == 1
    assert costs(ledger, period, source="imported") == 5
    by_source = explorer.cost_by("source", period, measures=("billed_cost", "calls"))
    assert {one[:3] for one in by_source.rows} == {("imported", 5, 0), ("bursar", 1, 1)}
    assert by_source.totals["billed_cost"] == 6
    by_team = explorer.cost_by(("source", "team"), period, measures=("billed_cost",))
    assert {one[:2] for one in by_team.rows} == {("imported", "core"), ("bursar", "core")}
    assert explorer.calls(period, filters=[("source", "imported")]).calls == []


def test_faults_name_their_lines_and_nothing_is_imported(tmp_path, book):
    rows = [row(), row("1,000.00"), row(ChargeCategory="Discount"), row(ChargePeriodStart="5/1/25"), row()[:-1],
            row(ProviderName=""), row(Tags="team=core"), row(Tags='{"a":{"b":1}}')]  # fmt: skip
    done = take(book, bill(tmp_path, rows))
    assert [(fault.line, fault.column) for fault in done.faults] == [
        (3, "BilledCost"), (4, "ChargeCategory"), (5, "ChargePeriodStart"), (6, ""), (7, "ProviderName"), (8, "Tags"),
        (9, "Tags"),
    ]  # fmt: skip
    assert (done.added, imports(book)) == (0, [])
    with pytest.raises(BadFocusFile, match=r"line 3: BilledCost is '1,000.00'.*and 4 more"):
        refuse_faults(done)


def test_a_line_is_where_the_row_begins_even_after_cells_of_several_lines(tmp_path, book):
    done = take(book, bill(tmp_path, [row(x_Own="two\nlines"), row("x")]))
    assert [fault.line for fault in done.faults] == [4]


def test_what_is_no_focus_file_says_so(tmp_path, book):
    with pytest.raises(BadFocusFile, match="has no column BilledCost"):
        take(book, bill(tmp_path, [["1"]], head=["cost"]))
    with pytest.raises(BadFocusFile, match="the column Tags twice"):
        take(book, bill(tmp_path, [], head=[*HEAD, "Tags"]))
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(BadFocusFile, match="neither CSV nor Parquet"):
        take(book, tmp_path / "picture")


def test_an_amount_in_another_currency_is_kept_and_is_no_cost_in_usd(tmp_path, book):
    done = take(book, bill(tmp_path, [row("100", BillingCurrency="INR"), row("2")]))
    assert (done.added, done.foreign) == (2, 1)
    totals = Explorer(book).run(Query(days(0, 2), ("billed_cost",), filters=(("source", "imported"),))).totals
    assert (totals["billed_cost"], totals["unpriced_count"]) == (2, 1)


def test_real_rows_of_three_clouds_come_in_with_their_costs(book):
    done = take(book, GOLDEN / "sample-1.0.csv")
    assert (done.rows, done.added, done.fault_count) == (36, 36, 0)
    rows = list(csv.DictReader((GOLDEN / "sample-1.0.csv").read_text("utf-8").splitlines()))
    period = Period(START - timedelta(days=900), START)
    table = Explorer(book).cost_by("provider", period, filters=[("source", "imported")], measures=("effective_cost",))
    for provider, cost, *_ in table.rows:
        exact = [Decimal(one["EffectiveCost"]) for one in rows if one["ProviderName"] == provider]
        assert cost == sum((amount.quantize(Decimal("1e-12")) for amount in exact), Decimal(0))


def test_examples_of_the_specification_come_in_or_are_told_what_breaks_its_rules(book):
    done = take(book, GOLDEN / "virtual_currency_pricing_model_a2.csv")
    assert (done.rows, done.added) == (3, 3)
    refused = take(book, GOLDEN / "simple_saas_agreements_c.csv")
    assert refused.fault_count == refused.rows == 3
    assert refused.faults[0].message.startswith("is '$10,100.00'")

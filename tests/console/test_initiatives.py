"""Initiatives on the console: over the API, on their pages, by the form; quarters, the export, and what is booked."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from litestar.testing import TestClient
from structlog.testing import capture_logs

from bursar.advisor.initiatives import MonthSaving, Standing
from bursar.console.context import ConsoleContext
from bursar.console.forms.fields import Fields
from bursar.console.forms.initiatives import FIELDS, fill_initiative, read_initiative
from bursar.console.initiatives import Closing, InitiativeDesk, is_closed
from bursar.console.quarters import Quarter, quarter_row, read_quarter, total_row
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.errors import BadRequest
from bursar.domain.initiatives import Guard, Initiative, InitiativeTerms

TERMS = {
    "owner": "ada", "target": "40", "baseline_from": "2026-10-15", "baseline_to": "2026-10-31", "start": "2026-11-01",
    "filters": ["feature=support-bot"], "guard": {"metric": "error_rate", "limit": 90},
}  # fmt: skip
DECEMBER = FixedClock(us_from_datetime(datetime(2026, 12, 4, 12, tzinfo=UTC)))


@pytest.fixture
def desk(client: TestClient, context: ConsoleContext) -> Iterator[TestClient]:
    """A client; what a test made is gone after it, but what it booked."""
    yield client
    book = context.initiatives().book
    for one in book.all():
        book.remove(one.initiative_id, actor="test")


def make(client: TestClient, name: str = "prompts", **terms: Any) -> dict[str, Any]:
    answer = client.post("/api/initiatives", json={"name": name, "terms": TERMS | terms})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def started(client: TestClient, name: str = "prompts", **terms: Any) -> dict[str, Any]:
    made = make(client, name, **terms)
    return dict(client.post(f"/api/initiatives/{made['initiative_id']}/start", json={}).json())


def form_of(text: str) -> dict[str, str]:
    """What is hidden in a form."""
    return dict(re.findall(r'<input type="hidden" name="(csrf|seen)" value="([^"]+)"', text))


def test_one_is_planned_started_delivered_stopped_and_removed_over_the_api(desk: TestClient):
    made = make(desk)
    assert (made["status"], made["months"], made["realised"]) == ("planned", [], "0")
    path = f"/api/initiatives/{made['initiative_id']}"
    running = desk.post(f"{path}/start", json={"on": "2026-11-02"}).json()
    (month,) = running["months"]
    assert (running["status"], month["month"], month["first"], month["until"]) == (
        "running", "2026-11", "2026-11-02", "2026-11-23",
    )  # fmt: skip
    assert Decimal(month["realised"]) == sum(
        Decimal(month[name]) * sign for name, sign in (("expected", 1), ("actual", -1), ("handed", -1))
    )
    assert Decimal(month["low"]) < Decimal(month["realised"]) < Decimal(month["high"])
    assert (month["is_closed"], month["booked"], running["guard"]["is_past"]) == (False, None, False)
    assert running["baseline_calls"] > 100
    assert desk.post(f"{path}/done", json={}).json()["status"] == "done"
    stopped = desk.post(f"{path}/stop", json={"on": "2026-11-10"}).json()
    assert (stopped["status"], stopped["ended"], stopped["months"][0]["until"]) == (
        "stopped",
        "2026-11-10",
        "2026-11-10",
    )
    assert desk.put(path, json={"terms": TERMS | {"target": "50"}}).json()["terms"]["target"] == "50"
    assert desk.get("/api/initiatives/prompts").json()["terms"]["target"] == "50"
    assert desk.delete(path).json() == {"removed": made["initiative_id"]}
    assert desk.get(path).json()["code"] == "unknown_control"


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"target": "-1"}, "target"),
        ({"start": "2026-10-20"}, "start"),
        ({"mix": ["model"]}, "mix"),
        ({"filters": ["colour=red"]}, "filters"),
        ({"unit": "effective_cost"}, "unit"),
        ({"guard": {"metric": "feedback", "limit": 3}}, "guard.limit"),
    ],
)
def test_a_mistake_over_the_api_names_its_field(desk: TestClient, terms: dict[str, Any], field: str):
    answer = desk.post("/api/initiatives", json={"name": "x", "terms": TERMS | terms})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_control", field)
    assert desk.get("/api/initiatives").json() == []


def test_the_export_has_a_row_for_each_month_and_the_page_the_same_figures(desk: TestClient):
    one = started(desk)
    make(desk, "later")
    rows = list(csv.DictReader(io.StringIO(desk.get("/api/initiatives?format=csv").text)))
    rows.sort(key=lambda row: row["month"], reverse=True)  # both were made at the same instant
    assert [(row["initiative"], row["month"]) for row in rows] == [("prompts", "2026-11"), ("later", "")]
    assert (rows[0]["realised"], rows[0]["cumulative_realised"]) == (one["realised"], one["realised"])
    assert (rows[0]["owner"], rows[0]["scope"], rows[0]["currency"]) == ("ada", "feature=support-bot", "USD")
    assert desk.get("/initiatives.csv").text == desk.get("/api/initiatives?format=csv").text
    assert desk.get("/initiatives.json").json() == desk.get("/api/initiatives").json()
    twin = desk.get(f"/initiatives/{one['initiative_id']}.json").json()
    assert twin == desk.get(f"/api/initiatives/{one['initiative_id']}").json()
    page = desk.get("/initiatives").text
    assert "2026-Q4" in page
    assert "prompts" in page
    assert "planned" in page
    one_page = desk.get(f"/initiatives/{one['initiative_id']}").text
    assert "feature=support-bot" in one_page
    assert "failed calls at most 90 %" in one_page


def test_a_quarter_is_chosen_by_the_address(desk: TestClient):
    started(desk)
    assert "2026-Q3" in desk.get("/initiatives?quarter=2026-Q3").text
    answer = desk.get("/initiatives.json?quarter=2026-Q9")
    assert answer.status_code == 200  # its twins have every month
    assert desk.get("/initiatives?quarter=2026-Q9").status_code == 400
    assert read_quarter("", date(2026, 12, 31)) == Quarter(2026, 4)
    assert (Quarter(2026, 4).step(1), Quarter(2026, 1).step(-1)) == (Quarter(2027, 1), Quarter(2025, 4))
    with pytest.raises(BadRequest, match="write 2026-Q4"):
        read_quarter("soon", date(2026, 1, 1))


def test_without_initiatives_the_page_says_how_one_begins(empty_client: TestClient):
    page = empty_client.get("/initiatives").text
    assert "No initiatives yet" in page
    assert "initiatives set" in page


def test_the_form_makes_changes_and_removes_one(desk: TestClient, context: ConsoleContext):
    typed = form_of(desk.get("/edit/initiative").text) | {
        "act": "save", "name": "by form", "owner": "eve", "hypothesis": "shorter", "filters": "feature=support-bot\n",
        "target": "12.50", "baseline_from": "2026-10-15", "baseline_to": "2026-10-31", "start": "", "unit": "ok_calls",
        "mix": "feature", "comparison": "named", "comparison_filters": "feature=code-review",
        "guard": "latency_p95_ms", "guard_limit": "4000",
    }  # fmt: skip
    saved = desk.post("/edit/initiative", data=typed, follow_redirects=False)
    assert saved.status_code == 303
    one = context.initiatives().book.one("by form")
    assert saved.headers["location"] == f"/initiatives/{one.initiative_id}"
    assert (one.terms.target, one.terms.unit, one.terms.mix) == (Decimal("12.50"), "ok_calls", ("feature",))
    assert (one.terms.comparison, one.terms.guard) == (("feature=code-review",), Guard("latency_p95_ms", 4000.0))
    page = desk.get("/edit/initiative?of=by%20form").text
    assert "feature=code-review</textarea>" in page
    del typed["name"]
    typed |= form_of(page)
    desk.post("/edit/initiative", data=typed | {"of": "by form", "target": "13"}, follow_redirects=False)
    late = desk.post("/edit/initiative", data=typed | {"of": "by form", "target": "99"}, follow_redirects=False)
    assert (late.status_code, "omebody changed" in late.text) == (400, True)
    assert context.initiatives().book.one("by form").terms.target == 13
    act = {"csrf": typed["csrf"], "id": one.initiative_id}
    desk.post("/initiatives/change", data=act | {"act": "start"}, follow_redirects=False)
    assert context.initiatives().book.one("by form").status == "running"
    desk.post("/initiatives/change", data=act | {"act": "stop"}, follow_redirects=False)
    assert context.initiatives().book.one("by form").status == "running"  # it began today: it can't end today
    assert desk.post("/initiatives/change", data=act | {"act": "burn"}).status_code == 400
    assert desk.post("/initiatives/change", data=act | {"act": "start", "csrf": "other"}).status_code == 403
    desk.post(
        "/edit/initiative", data={"csrf": typed["csrf"], "of": "by form", "act": "remove"}, follow_redirects=False
    )
    assert context.initiatives().book.all() == []
    late = desk.post("/edit/initiative", data=typed | {"of": "by form", "target": "99"}, follow_redirects=False)
    assert (late.status_code, "was removed meanwhile" in late.text) == (400, True)


def test_what_the_form_cannot_say_is_not_saved_by_it(desk: TestClient, context: ConsoleContext):
    make(desk, mix=["tag:a, b"])
    page = desk.get("/edit/initiative?of=prompts").text
    assert "can&#39;t say all that it does" in page or "can't say all that it does" in page
    typed = form_of(page) | {
        "of": "prompts", "owner": "eve", "target": "1", "baseline_from": "2026-10-15", "baseline_to": "2026-10-31",
        "mix": "tag:a, b",
    }  # fmt: skip
    assert desk.post("/edit/initiative", data=typed, follow_redirects=False).status_code == 400
    assert context.initiatives().book.one("prompts").terms.owner == "ada"


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"owner": ""}, "owner", "Who sees to it"),
        ({"owner": "a\u202eb"}, "owner", "rintable"),
        ({"target": "much"}, "target", "no number"),
        ({"target": ""}, "target", "How much"),
        ({"baseline_from": ""}, "baseline_from", "Which day"),
        ({"baseline_to": "31.10."}, "baseline_to", "is no day"),
        ({"baseline_to": "2026-10-16"}, "baseline_to", "2 days long"),
        ({"start": "2026-10-30"}, "start", "2026-11-01 or later"),
        ({"baseline_from": "9999-12-01", "baseline_to": "9999-12-31"}, "baseline_from", "to 2199-12-31"),
        ({"start": "9999-12-31"}, "start", "to 2199-12-31"),
        ({"filters": "colour=red"}, "filters", "no dimension"),
        ({"mix": "provider"}, "mix", "isn&#39;t what an application says"),
        ({"comparison": "named"}, "comparison_filters", "Which calls"),
        ({"guard": "feedback", "guard_limit": "8"}, "guard_limit", "from 0 to 1"),
        ({"name": ""}, "name", "printable"),
        ({"colour": "red"}, "", "no field of this form"),
    ],
)
def test_a_mistake_in_the_form_comes_back_at_its_field(
    desk: TestClient, changes: dict[str, str], field: str, says: str
):
    typed = form_of(desk.get("/edit/initiative").text) | {
        "name": "x", "owner": "eve", "target": "12", "baseline_from": "2026-10-15", "baseline_to": "2026-10-31",
        "mix": "feature", "comparison": "auto",
    }  # fmt: skip
    answer = desk.post("/edit/initiative", data=typed | changes, follow_redirects=False)
    assert answer.status_code == 400
    assert says in answer.text
    assert not field or f'id="e-{field}"' in answer.text
    assert desk.get("/api/initiatives").json() == []


def test_what_the_form_shows_is_what_it_reads():
    for comparison, guard in (
        ((), None), (("auto",), Guard("feedback", 0.8)), (("team=a", "tag:b!=c"), Guard("latency_p95_ms", 3_599_999.5)),
    ):  # fmt: skip
        terms = InitiativeTerms(
            owner="ada", target=Decimal("12.5"), baseline_from=date(2026, 8, 1), baseline_to=date(2026, 8, 31),
            hypothesis="why", filters=("feature=a", "customer!=b"), unit="tag:pages", mix=("team", "tag:plan"),
            start=date(2026, 9, 1), comparison=comparison, guard=guard,
        )  # fmt: skip
        typed = fill_initiative(terms)
        assert set(typed) <= FIELDS
        assert read_initiative(Fields(typed)) == terms


@pytest.fixture
def december(context: ConsoleContext, desk: TestClient) -> InitiativeDesk:
    """The same books three days after November's end: all of it is closed but the month that runs."""
    started(desk)
    return InitiativeDesk(context.initiatives().book, context.ledger, DECEMBER)


def test_a_closed_month_is_booked_by_itself_and_a_difference_only_when_somebody_posts_it(
    december: InitiativeDesk, desk: TestClient
):
    closing = Closing(lambda: december)
    before = len(december.book.bookings())
    closing.look()
    closing.look()
    (entry,) = december.book.bookings()[before:]
    (one,) = december.standings()
    assert (entry.month, entry.kind, entry.amount) == ("2026-11", "booking", one.months[0].realised)
    assert (entry.low, entry.high, entry.computed_by) == (one.months[0].low, one.months[0].high, "monthly close")
    later = TERMS | {"baseline_from": "2026-10-20"}
    desk.put(f"/api/initiatives/{one.initiative.initiative_id}", json={"terms": later})
    closing.look()
    assert len(december.book.bookings()) == before + 1
    (adjustment,) = december.close(actor="ada", adjust=True)
    (now,) = december.standings()
    assert adjustment.kind == "adjustment"
    assert entry.amount + adjustment.amount == now.months[0].realised
    entries = desk.get("/api/initiative-bookings").json()
    assert [one["kind"] for one in entries][-2:] == ["booking", "adjustment"]
    assert len(desk.get("/api/initiative-bookings?format=csv").text.splitlines()) == len(entries) + 1
    shown = desk.get("/initiatives").text
    assert "adjustment" in shown


def named(desk: InitiativeDesk) -> dict[str, Standing]:
    return {one.initiative.name: one for one in desk.standings()}


def november(one: Standing) -> MonthSaving | None:
    return next((month for month in one.months if month.month == "2026-11"), None)


def test_a_booked_month_that_is_another_initiatives_now_is_taken_back(context: ConsoleContext, desk: TestClient):
    """Both save the same cents: what one has booked of them is posted back where the other books them."""
    december = InitiativeDesk(context.initiatives().book, context.ledger, DECEMBER)
    before = len(december.book.bookings())
    started(desk, "mine", filters=["feature=code-review"])
    december.close(actor="ada", adjust=False)
    (one,) = december.standings()
    saved = one.months[0].realised
    assert saved != 0
    started(desk, "earlier", filters=["feature=code-review"], baseline_to="2026-10-22", start="2026-10-24")
    mine, other = (named(december)[name] for name in ("mine", "earlier"))
    assert [(month.month, month.method, month.realised) for month in mine.months] == [("2026-11", "unmeasured", 0)]
    assert "not its own any more" in desk.get(f"/initiatives/{mine.initiative.initiative_id}").text
    told = desk.get("/api/initiatives/mine").json()["months"][0]
    assert (told["method"], Decimal(told["booked"])) == ("unmeasured", saved)
    december.close(actor="ada", adjust=True)
    entries = [one for one in december.book.bookings()[before:] if one.month == "2026-11"]
    booked = {name: sum(one.amount for one in entries if one.name == name) for name in ("mine", "earlier")}
    measured = november(other)
    assert measured is not None
    assert booked == {"mine": 0, "earlier": measured.realised}
    assert named(december)["mine"].months == []  # all is said


def test_what_a_removed_one_has_booked_is_nobody_elses(context: ConsoleContext, desk: TestClient):
    december = InitiativeDesk(context.initiatives().book, context.ledger, DECEMBER)
    scope = {"filters": ["feature=doc-extract"]}
    made = started(desk, "first", **scope)
    started(desk, "second", start="2026-11-02", **scope)  # its baseline is from before: all is the first one's
    december.close(actor="ada", adjust=False)
    first, second = (named(december)[name] for name in ("first", "second"))
    assert (november(first) is None, november(second)) == (False, None)
    desk.delete(f"/api/initiatives/{made['initiative_id']}")  # on the 23rd, the day of the last calls
    (left,) = december.standings()
    measured, whole = november(left), november(first)
    assert measured is None or measured.calls < whole.calls / 5  # type: ignore[union-attr]


def test_nothing_is_booked_before_a_month_is_closed(desk: TestClient):
    started(desk)
    assert desk.post("/api/initiative-bookings", json={}).json() == []
    assert [is_closed("2026-11", date(2026, 12, day)) for day in (1, 3, 4)] == [False, False, True]
    assert is_closed("2026-12", date(2027, 1, 4))


def test_a_close_that_fails_is_logged_and_tried_again():
    def broken() -> InitiativeDesk:
        raise RuntimeError("no store")

    with capture_logs() as logs:
        Closing(broken).look()
    assert logs[0]["event"] == "closing_failed"


def test_figures_are_measured_once_until_something_changes(context: ConsoleContext, desk: TestClient):
    started(desk)
    now = [0.0]
    mine = InitiativeDesk(context.initiatives().book, context.ledger, context.clock, lambda: now[0])
    first = mine.standings()
    assert mine.standings() is first
    now[0] = 100.0
    assert mine.standings() is first  # no charge came in
    make(desk, "another")
    assert len(mine.standings()) == 2


def saving(month: str, realised: str, margin: str | None) -> MonthSaving:
    zero, first = Decimal(0), date.fromisoformat(f"{month}-01")
    return MonthSaving(
        month, first, first, Decimal(31), Decimal(realised), None if margin is None else Decimal(margin), zero, zero,
        zero, zero, None, None, "before_after", 1.0, 0, 0, zero, 0,
    )  # fmt: skip


def standing(name: str, months: list[MonthSaving], start: date | None, ended: date | None = None) -> Standing:
    terms = InitiativeTerms(
        owner="ada", target=Decimal(31), baseline_from=date(2026, 8, 1), baseline_to=date(2026, 8, 31), start=start
    )
    kept = Initiative(name, name, terms, "running" if start else "planned", ended, 1, "ada")
    return Standing(kept, months, "", None, None, [], 0, 0)


def test_a_quarter_adds_up_its_months_and_its_rows():
    quarter = Quarter(2026, 4)
    one = standing("a", [saving("2026-09", "9", "1"), saving("2026-10", "10", "2"), saving("2026-11", "5", "1")],
                   date(2026, 9, 1))  # fmt: skip
    other = standing("b", [saving("2026-10", "-3", None)], date(2026, 10, 22), date(2026, 11, 1))
    planned = standing("c", [], None)
    rows = [quarter_row(each, quarter, {("a", "2026-10"): Decimal(8)}) for each in (one, other, planned)]
    assert rows[0].cells == [Decimal(10), Decimal(5), None]
    assert (rows[0].realised, rows[0].margin, rows[0].due) == (Decimal(15), Decimal(3), Decimal(62))
    assert [row.target for row in rows] == [Decimal(93), Decimal(10), Decimal(0)]
    assert [row.booked for row in rows] == [Decimal(8), None, None]
    total = total_row(rows)
    assert (total.realised, total.cells, total.margin) == (Decimal(12), [Decimal(7), Decimal(5), None], None)
    assert (total.target, total.booked) == (Decimal(103), Decimal(8))
    assert total_row([rows[0], rows[2]]).margin == Decimal(3)

"""Statements on a schedule: a message apiece with its files, by mail; after quiet hours in one, as far as it holds."""

import pytest
from tests.alerts.conftest import HOUR, Mailbox, World
from tests.alerts.test_outbox import Ways, add_channel, cut

from bursar.alerts import deliver
from bursar.alerts.message import Attached
from bursar.alerts.rules import Rule, SentStatements
from bursar.domain.errors import UnknownControl
from bursar.reports.statement_workbook import XLSX


def files_of(address: str) -> list[Attached]:
    """As the console makes them: none for an alert of another kind, refused for one that bears nothing any more."""
    if not address.startswith("/statements?"):
        return []
    who = address.rpartition("=")[2]
    if who == "gone":
        raise UnknownControl("gone bears nothing in 2026-10", field="of")
    return [Attached(f"{who}.pdf", "application/pdf", b"%PDF" * 10), Attached(f"{who}.xlsx", XLSX, b"PK" * 10)]


@pytest.fixture
def due(world: World) -> World:
    """A month is over, and two teams and one that is gone bear something of it."""
    world.told.the_review_due = "2026-10"
    world.told.the_recipients = ["web", "search", "gone"]
    world.desk.put_rule(Rule("statements", SentStatements()), actor="ada")
    return world


def test_each_goes_by_mail_with_its_files_and_only_once(due: World, mailbox: tuple[Mailbox, str]):
    box, address = mailbox
    due.env["BURSAR_ALERT_OPS"] = address
    add_channel(due)
    for _ in range(2):
        due.watch.look()
        due.deliverer(files_of=files_of).deliver()
    assert sorted(box.files) == ["search.pdf", "search.xlsx", "web.pdf", "web.xlsx"]
    assert len([one for one in box.subjects if "Statement of" in one]) == 3


@pytest.mark.parametrize(("most", "files"), [(20, 4), (3, 2)])
def test_what_quiet_hours_held_comes_with_the_files_of_all_as_far_as_one_message_holds(
    due: World, monkeypatch: pytest.MonkeyPatch, most: int, files: int
):  # fmt: skip
    monkeypatch.setattr(deliver, "FILES_MAX", most)
    ways = Ways()
    add_channel(due, quiet="22:00-07:00")
    due.later(12 * HOUR)
    cut(due, "one")
    due.watch.look()
    due.deliverer(ways, files_of).deliver()
    due.later(8 * HOUR)
    due.deliverer(ways, files_of).deliver()
    assert [title for _, title in ways.taken] == ["Warning: 4 alerts from quiet hours"]
    assert len(ways.last.files) == files

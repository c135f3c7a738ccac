"""Reports as they were kept, in either control store."""

from tests.governance.conftest import server, store  # noqa: F401  # fixtures

from bursar.domain.clock import FixedClock
from bursar.governance.store import ControlStore
from bursar.reports.kept import Files, ReportBook


def test_another_figure_is_another_version_and_the_first_one_stays(store: ControlStore):  # noqa: F811
    book = ReportBook(store, b"secret" * 8, FixedClock(1_790_000_000_000_000))
    first = book.keep("board", "2026-10", Files("draft", b"one"), actor="asha")
    assert book.keep("board", "2026-10", Files("draft", b"one"), actor="ben") == first
    second = book.keep("board", "2026-10", Files("closed", b"two", b"sheet"), actor="ben")
    assert (first.version, second.version, second.has_xlsx) == (1, 2, True)
    assert book.last("board", "2026-10") == (second, Files("closed", b"two", b"sheet"))
    assert book.version("board", "2026-10", 1) == (first, Files("draft", b"one"))
    assert book.last("pack", "2026-10") is None
    assert book.all() == [second, first]

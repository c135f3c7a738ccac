"""Nothing enters the books at or before the last close, by whichever way it comes and whatever the clock says."""

from tests.ledger.records import T0

from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.floor import close_until, closed_until_us, posting_us


def test_what_is_posted_is_later_than_the_close_though_the_clock_is_behind(ledger):
    with ledger.writing() as session:
        assert closed_until_us(session) == 0
        assert close_until(session, T0) == T0
    with ledger.writing() as session:
        assert posting_us(session, T0 - 5_000_000) == T0 + 1
        post_adjustments(session, [Adjustment(part="a", at_us=T0 - 9, billed_pico=5)], "key", "why", T0 - 5_000_000)
    with ledger.reading() as session:
        assert session.query("SELECT epoch_us(posted_at) FROM charges").only() == T0 + 1


def test_a_close_is_never_before_what_is_in_the_books_or_an_earlier_close(ledger):
    with ledger.writing() as session:
        post_adjustments(session, [Adjustment(part="a", at_us=T0, billed_pico=5)], "key", "why", T0)
        assert close_until(session, T0 - 1) == T0
        assert close_until(session, T0 + 7) == T0 + 7
        assert close_until(session, T0 + 3) == T0 + 7

"""Statements as they are sent: who bears something of a month, in words, and the files that go with them."""

from urllib.parse import parse_qs, urlencode

from bursar.alerts.facts import ReviewTold
from bursar.alerts.message import Attached
from bursar.console.context import ConsoleContext
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.domain.money import usd_from_pico
from bursar.finance.allocation.allocate import Share
from bursar.finance.allocation.statements import PDF, statement_pdf
from bursar.finance.books.booked import first_day
from bursar.reports.statement_workbook import XLSX, statement_workbook

STATEMENTS_MAX = 100  # messages of one rule in a month; a rule for each channel is better long before
PLAIN_CHARS = "-_."


def statements_told(
    context: ConsoleContext, by: str, of: str, month: str, *, closed_only: bool
) -> list[tuple[str, ReviewTold]]:
    """Of each that bears something, the largest first; of: of that one alone. None while an open month must wait.

    Above STATEMENTS_MAX one more message says how many weren't sent. Raises BadPeriod, BadControl.
    """
    desk = context.finance()
    is_closed = any(one.month == month for one in desk.close.closings())
    if closed_only and not is_closed:
        return []
    borne = [one for one in desk.allocation.allocation(month, by).shares if one.recipient and one.total_pico]
    mine = sorted((one for one in borne if of in ("", one.recipient)), key=lambda one: -one.total_pico)
    told = [(one.recipient, _told(one, by, month, is_closed=is_closed)) for one in mine[:STATEMENTS_MAX]]
    if (rest := len(mine) - STATEMENTS_MAX) > 0:
        text = f"{rest} more bear something of it; a rule sends {STATEMENTS_MAX} at most. All are on the page."
        title, address = f"Statements that weren't sent, {month}", f"/allocation?month={month}&among={by}"
        told.append(("others", ReviewTold(title, text, address)))
    return told


def statement_attached(context: ConsoleContext, address: str) -> list[Attached]:
    """PDF and workbook of the statement that an alert's address opens. Raises UnknownControl, BadPeriod, BadControl."""
    asked = {name: values[0] for name, values in parse_qs(address.partition("?")[2]).items()}
    if not asked.get("of"):
        raise BadRequest("of: whose statement, as of=web", field="of")
    one = context.finance().allocation.statement(asked.get("month", ""), asked.get("among", "team"), asked["of"])
    who = "".join(char if char.isalnum() or char in PLAIN_CHARS else "-" for char in one.share.recipient)[:60]
    name = f"statement-{one.month}-{who}"
    organization = context.config.organization
    return [
        Attached(f"{name}.pdf", PDF, statement_pdf(one, organization)),
        Attached(f"{name}.xlsx", XLSX, statement_workbook(one, organization)),
    ]


def _told(share: Share, by: str, month: str, *, is_closed: bool) -> ReviewTold:
    named = display.month(first_day(month))
    total, direct = (display.money(usd_from_pico(pico), places=2) for pico in (share.total_pico, share.direct_pico))
    state = "The month is closed: it is final." if is_closed else "The month isn't closed yet: it may change."
    unpriced = f" {share.unpriced:,} attempts have no price and are in no amount." if share.unpriced else ""
    text = f"{total}, of it {direct} for its own calls; the statement is attached. {state}{unpriced}"
    query = urlencode({"month": month, "among": by, "of": share.recipient})
    return ReviewTold(f"Statement of {share.recipient}, {named}", text, f"/statements?{query}")

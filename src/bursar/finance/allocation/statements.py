"""A statement as a PDF: what one team, customer or feature bears in a month, and why. Set by Typst.

The same statement gives the same bytes: the document's date is that of the month, not of the printing.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import typst

from bursar.domain import display
from bursar.domain.money import plain, usd_from_pico
from bursar.finance.allocation.book import Statement
from bursar.finance.allocation.gathering import Detail
from bursar.finance.books.booked import first_day, next_month

PDF = "application/pdf"
LINES_SHOWN = 14
CENT = Decimal("0.01")
METHODS = {
    "even": "split evenly", "proportional": "split in proportion to direct cost", "fixed": "split by fixed shares",
    "driver": "split by a driver",
}  # fmt: skip

HEAD = """
#set document(title: {title}, author: {organization}, date: datetime(year: {year}, month: {month}, day: {day}))
#set page(paper: "a4", margin: (x: 22mm, top: 20mm, bottom: 18mm), footer: context align(right,
  text(size: 8.5pt, fill: rgb("#5f6670"), counter(page).display("1 / 1", both: true))))
#set text(font: "Libertinus Serif", size: 10.5pt, lang: "en", number-width: "tabular")
#set par(leading: 0.62em)
#let quiet = rgb("#5f6670")
#let rows(..cells) = table(columns: (1fr, auto, auto), align: (left, right, right),
  inset: (x, y) => (left: if x == 0 {{ 0pt }} else {{ 14pt }}, right: 0pt, y: 4pt),
  stroke: (x, y) => (bottom: 0.4pt + rgb("#d7dadf")), ..cells)
#grid(columns: (1fr, auto), align: (left + bottom, right + bottom),
  text(size: 20pt, weight: "bold", {name}), text(fill: quiet, {organization}))
#v(-4pt)
#line(length: 100%, stroke: 0.8pt + quiet)
#text(fill: quiet, {subtitle})
#v(4pt)
#text(size: 24pt, weight: "bold", {total})
#v(-8pt)
#text(fill: quiet, {lead})
"""


def statement_pdf(one: Statement, organization: str, beside: str = "") -> bytes:
    """One statement, one or two pages. beside: its total in another currency, with the rate; "" for none."""
    return bytes(typst.compile(source_of(one, organization, beside).encode(), font_paths=[]))


def source_of(one: Statement, organization: str, beside: str = "") -> str:
    """Typst's markup. What came from outside stands in string literals alone, so none of it is markup."""
    last = first_day(next_month(one.month)) - timedelta(days=1)
    share = one.share
    named = display.month(first_day(one.month))
    state = "final: the month is closed" if one.is_final else "provisional: the month is open"
    head = HEAD.format(
        title=literal(f"Statement of {share.recipient}, {named}"), organization=literal(organization),
        year=last.year, month=last.month, day=last.day, name=literal(share.recipient),
        subtitle=literal(f"AI cost of {named} by {one.by}; {state}"), total=literal(_money(share.total_pico)),
        lead=literal(f"{_money(share.direct_pico)} direct, {_money(share.total_pico - share.direct_pico)} allocated; "
                     f"{share.attempts:,} attempts; effective cost in USD"),
    )  # fmt: skip
    parts = [head]
    if beside:
        parts.append(f"#text(fill: quiet, {literal(beside)})")
    methods = {pool.name: METHODS.get(pool.method, pool.method) for pool in one.allocation.pools}
    if share.parts:
        lines = [(name, methods.get(name, ""), pico) for name, pico in share.parts.items()]
        parts.append(
            _section("Allocated", "shared and flat costs, by rule", lines, share.total_pico - share.direct_pico)
        )
    for title, found in (("Direct, by model", one.models), ("Direct, by feature", one.features)):
        if found:
            parts.append(_section(title, "what its own calls cost", _cut(found), share.direct_pico))
    if share.unpriced:
        said = f"{share.unpriced:,} attempts have no price and are in no amount."
        parts.append(f"#v(6pt)\n#text(fill: quiet, {literal(said)})")
    every = plain(usd_from_pico(share.total_pico))
    exact = f"Exactly {every} USD. Amounts are rounded for reading; files have every digit."
    parts.append(f"#v(10pt)\n#text(size: 9pt, fill: quiet, {literal(exact)})")
    return "\n".join(parts) + "\n"


def literal(text: str) -> str:
    """A string of Typst's language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in escaped) + '"'


def _section(title: str, what: str, lines: Sequence[tuple[str, str, int]], total_pico: int) -> str:
    cells = [
        f"text({literal(name or '(none)')}), text(fill: quiet, {literal(more)}), text({literal(_money(pico))})"
        for name, more, pico in lines
    ]
    cells.append(f'text(weight: "bold", "All"), [], text(weight: "bold", {literal(_money(total_pico))})')
    heading = f'#text(size: 13pt, weight: "bold", {literal(title)}) #text(fill: quiet, {literal(what)})'
    head = f"#v(12pt)\n#block(sticky: true, [{heading}])"
    return f"{head}\n#rows({', '.join(cells)})"


def _cut(found: Sequence[Detail]) -> list[tuple[str, str, int]]:
    """The largest, and the rest as one line: the lines add up."""
    shown = [(one.value, f"{one.attempts:,} attempts", one.cost_pico) for one in found[:LINES_SHOWN]]
    rest = found[LINES_SHOWN:]
    if rest:
        shown.append(
            (
                f"{len(rest)} others",
                f"{sum(one.attempts for one in rest):,} attempts",
                sum(one.cost_pico for one in rest),
            )
        )
    return shown


def _money(pico: int) -> str:
    """Two places for all, so that points line up; what is less than half a cent says so, and the foot is exact."""
    amount = usd_from_pico(pico)
    if amount and abs(amount) < CENT / 2:
        return f"<{display.money(CENT)}" if amount > 0 else f">−{display.money(CENT)}"
    return str(display.money(amount, places=2)) if amount else f"${0:.2f}"

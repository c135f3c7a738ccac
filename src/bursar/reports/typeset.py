"""A report as a PDF, set by Typst with the fonts inside its package: the same report is the same bytes."""

from decimal import Decimal

import typst

from bursar.domain import display
from bursar.reports.blocks import Block, Cell, Chart, Column, Figures, Page, Prose, Report, Table
from bursar.reports.charts import svg_of
from bursar.reviews.printed import literal

HEAD = """
#set document(title: {title}, author: {organization}, date: none)
#set page(paper: "a4", margin: (x: 20mm, top: 24mm, bottom: 18mm),
  header: grid(columns: (1fr, auto), text(size: 9pt, fill: rgb("#5f6670"), {organization}),
    text(size: 9pt, fill: rgb("#5f6670"), {running})),
  footer: context grid(columns: (1fr, auto), text(size: 8.5pt, fill: rgb("#5f6670"), {state}),
    text(size: 8.5pt, fill: rgb("#5f6670"), counter(page).display("1 / 1", both: true))))
#set text(font: "Libertinus Serif", size: 10pt, lang: "en")
#set par(leading: 0.6em)
#show link: it => text(fill: rgb("#1d4f91"), it)
#let bad = rgb("#a3262a")
#let good = rgb("#1a6b3c")
#let quiet = rgb("#5f6670")
#let rule = 0.5pt + rgb("#c9cdd4")
"""

TITLE = """#text(size: 20pt, weight: "bold", {title})
#v(-7pt)
#text(size: 11pt, fill: quiet, {period})
#v(1pt)
#text(size: 12pt, {lead})
#v(3pt)
"""

MARKS = {"bad": "text(fill: bad, sym.triangle.filled.r)", "good": "text(fill: good, sym.triangle.filled.r)",
         "plain": "text(fill: quiet, [–])"}  # fmt: skip
CENT = Decimal("0.01")
TIMES_FROM = Decimal(9)  # a change is told as so many times as much from here on
ROWS_WHOLE = 30  # a table of so many isn't torn over two pages


def to_pdf(report: Report) -> bytes:
    """The whole report."""
    return bytes(typst.compile(source_of(report).encode(), font_paths=[]))


def source_of(report: Report) -> str:
    """Typst's markup. What came from outside stands in string literals alone, so none of it is markup."""
    head = HEAD.format(
        title=literal(f"{report.title}, {report.period}"),
        organization=literal(report.organization),
        running=literal(f"{report.title}, {report.period}"),
        state=literal(report.state),
    )
    title = TITLE.format(title=literal(report.title), period=literal(report.period), lead=literal(report.lead))
    pages = [_page(report, page, number) for number, page in enumerate(report.pages)]
    return head + title + "\n#pagebreak()\n".join(pages)


def _page(report: Report, page: Page, number: int) -> str:
    head = "" if not page.title else f'#text(size: 14pt, weight: "bold", {literal(page.title)})\n#v(2pt)\n'
    return head + "\n".join(_block(report, block) for block in page.blocks)


def _block(report: Report, block: Block) -> str:
    match block:
        case Figures():
            return _figures(block)
        case Prose():
            return _prose(block)
        case Table():
            return _table(report, block)
        case Chart():
            return _chart(block)


def _figures(block: Figures) -> str:
    cells = ", ".join(
        f"[#text(size: 9pt, fill: quiet, {literal(one.label)}) #linebreak() "
        f'#text(size: 16pt, weight: "bold", {literal(one.value)}) #linebreak() '
        f"#text(size: 8.5pt, fill: {'quiet' if one.tone == 'plain' else one.tone}, {literal(one.note)})]"
        for one in block.figures
    )
    return (
        f"#block(above: 6pt, below: 8pt, grid(columns: (1fr,) * {len(block.figures)}, column-gutter: 8pt, "
        f"stroke: (left: rule), inset: (left: 8pt, y: 2pt), {cells}))"
    )


def _prose(block: Prose) -> str:
    lines = [_heading(block.title)]
    if not block.lines:
        lines.append(f"#text(fill: quiet, {literal(block.nothing)})")
    for one in block.lines:
        opens = f"#link({literal(one.url)})[#sym.arrow.r]" if one.url else ""
        lines.append(
            f"#block(below: 5pt, above: 5pt, grid(columns: (13pt, 1fr, 13pt), {MARKS[one.tone]}, "
            f"text({literal(one.text)}), align(right)[{opens}]))"
        )
    return "\n".join(lines)


def _table(report: Report, table: Table) -> str:
    columns = ", ".join("1fr" if at == 0 else "auto" for at in range(len(table.columns)))
    aligned = ", ".join("left" if column.kind == "text" else "right" for column in table.columns)
    head = ", ".join(
        f"table.cell(stroke: (bottom: rule), text(size: 8.5pt, fill: quiet, {literal(one.name)}))"
        for one in table.columns
    )
    body = [_row(report, table.columns, row, "") for row in table.rows]
    if table.total is not None:
        body.append(_row(report, table.columns, table.total, 'weight: "bold", ', "stroke: (top: rule), "))
    note = f"\n#v(-3pt)\n#text(size: 8.5pt, fill: quiet, {literal(table.note)})" if table.note else ""
    breaks = "true" if len(table.rows) > ROWS_WHOLE else "false"
    set_table = (
        f"table(columns: ({columns},), align: ({aligned},), stroke: none, inset: (x: 5pt, y: 3pt), "
        f"table.header({head}), {', '.join(body)})"
    )
    return f"{_heading(table.title)}\n#block(breakable: {breaks}, below: 8pt, text(size: 9.5pt, {set_table}))" + note


def _row(report: Report, columns: tuple[Column, ...], row: tuple[Cell, ...], weight: str, stroke: str = "") -> str:
    cells = []
    for column, value in zip(columns, row, strict=True):
        colour = ", fill: bad" if column.kind == "money" and isinstance(value, Decimal) and value < 0 else ""
        cells.append(f"table.cell({stroke}text({weight}{literal(told(report, column, value))}{colour}))")
    return ", ".join(cells)


def told(report: Report, column: Column, value: Cell) -> str:
    """A cell as people read it."""
    if column.kind in ("text", "amount"):
        return str(value or "")
    if column.kind == "money":
        return _told_money(report, value) if isinstance(value, Decimal) else column.unknown
    if value is None:
        return ""
    if column.kind == "count":
        return display.count(int(value), report.locale)
    if column.kind == "share":
        return display.ratio(Decimal(value))
    if Decimal(value) >= TIMES_FROM:
        return f"{Decimal(value) + 1:.0f}×"
    sign = "+" if Decimal(value) > 0 else ""
    return f"{sign}{display.ratio(Decimal(value))}"


def _told_money(report: Report, amount: Decimal) -> str:
    """Two places for all of a column, so that its points line up; what is less than a cent says so."""
    if amount and abs(amount) < CENT / 2:
        return f"<{display.money(CENT, report.currency, report.locale)}"
    places = 2 if amount else None
    return str(display.money(amount, report.currency, report.locale, places=places))


def _chart(chart: Chart) -> str:
    picture = literal(svg_of(chart))
    return (
        f"{_heading(chart.title)}\n#block(below: 6pt, "
        f'image(bytes({picture}), format: "svg", width: 100%, alt: {literal(chart.text)}))'
    )


def _heading(title: str) -> str:
    if not title:
        return ""
    return f'#block(sticky: true, above: 14pt, below: 6pt, text(size: 11.5pt, weight: "bold", {literal(title)}))'

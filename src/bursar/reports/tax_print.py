"""The month's tax work sheet as a PDF, set by Typst: duties by section, the shared credit, what to confirm."""

from datetime import date
from decimal import Decimal

import typst

from bursar.domain import display
from bursar.finance.tax.duties import SECTIONS, DutyRow
from bursar.finance.tax.month_credit import MonthCredit
from bursar.finance.tax.rules import RuleBook
from bursar.finance.tax.sheet import WorkSheet
from bursar.reviews.printed import literal

HEAD = """
#set document(title: {title}, author: {organization}, date: none)
#set page(paper: "a4", flipped: true, margin: (x: 16mm, top: 20mm, bottom: 16mm),
  header: grid(columns: (1fr, auto), text(size: 9pt, fill: rgb("#5f6670"), {organization}),
    text(size: 9pt, fill: rgb("#5f6670"), {title})),
  footer: context grid(columns: (1fr, auto), text(size: 8.5pt, fill: rgb("#5f6670"), {foot}),
    text(size: 8.5pt, fill: rgb("#5f6670"), counter(page).display("1 / 1", both: true))))
#set text(font: "Libertinus Serif", size: 9.5pt, lang: "en")
#set par(leading: 0.55em)
#let quiet = rgb("#5f6670")
#let doubt = rgb("#8a5a00")
#let rule = 0.5pt + rgb("#c9cdd4")
#text(size: 19pt, weight: "bold", {title})
#v(-6pt)
#text(size: 11pt, {lead})
"""
FOOT = "Computed from dated rules; not tax advice. Rows marked “confirm” need a professional."
COLUMNS = (("What", "2.2fr"), ("Document", "1fr"), ("Payer", "0.8fr"), ("Row", "13mm"), ("Due", "24mm"),
           ("Amount", "29mm"), ("Rules", "1.6fr"), ("Confidence", "31mm"))  # fmt: skip


RULE_HEADS = ("Rule", "From", "What it says", "Source", "How sure")


def sheet_pdf(sheet: WorkSheet, organization: str, rules: RuleBook) -> bytes:
    """The whole sheet. What came from outside stands in string literals alone, so none of it is markup."""
    return bytes(typst.compile(source_of(sheet, organization, rules).encode(), font_paths=[]))


def source_of(sheet: WorkSheet, organization: str, rules: RuleBook) -> str:
    title = f"Tax work sheet, {display.month(date.fromisoformat(f'{sheet.month}-01'))}"
    head = HEAD.format(
        title=literal(title), organization=literal(organization), foot=literal(FOOT), lead=literal(lead_of(sheet))
    )
    parts = [_section(name, sheet.of(key)) for key, name in SECTIONS.items()]
    parts += [_credits(sheet.credits)] if any(one.shared for one in sheet.credits) else []
    parts += [_confirm(sheet.confirm)] if sheet.confirm else []
    parts += [_rules(sheet.rule_ids, rules)] if sheet.rule_ids else []
    return head + "\n".join(part for part in parts if part)


def lead_of(sheet: WorkSheet) -> str:
    """The sheet in a sentence: what is paid, claimed and withheld, in each currency."""
    words = {"pay": "to pay", "claim": "to claim", "reverse": "to give back", "withhold": "to withhold"}
    found = [
        f"{told_money(one.amount, one.currency)} {words[one.section]}" for one in sheet.totals if one.section in words
    ]
    return ", ".join(found) if found else "Nothing is due: no document of this month is kept."


def told_money(amount: Decimal, currency: str) -> str:
    """Two places, the point lined up; rupees in lakh and crore."""
    locale = "en_IN" if currency == "INR" else "en_US"
    return str(display.money(amount, currency, locale, places=2))


def _section(name: str, rows: list[DutyRow]) -> str:
    if not rows:
        return ""
    head = ", ".join(f"table.cell(stroke: (bottom: rule), text(size: 8.5pt, fill: quiet, {literal(title)}))"
                     for title, _ in COLUMNS)  # fmt: skip
    body = ", ".join(_row(one) for one in rows)
    columns = ", ".join(width for _, width in COLUMNS)
    return (
        f'#block(sticky: true, above: 14pt, below: 6pt, text(size: 12pt, weight: "bold", {literal(name)}))\n'
        f"#table(columns: ({columns}), align: (left, left, left, left, left, right, left, left), stroke: none, "
        f"inset: (x: 4pt, y: 3pt), table.header({head}), {body})"
    )


def _row(one: DutyRow) -> str:
    note = f" #linebreak() #text(size: 8pt, fill: quiet, {literal(one.note)})" if one.note else ""
    due = display.day(one.due, year=True) if one.due else ""
    amount = told_money(one.amount, one.currency) if one.amount is not None else ""
    sure = f"[{one.confidence}]" if one.confidence == "high" else f'text(fill: doubt, "{one.confidence}, confirm")'
    rules = ", ".join(one.rules[:6])
    rate = f" at {one.rate}" + (f" from {one.rate_from}" if one.rate_from else "") if one.rate else ""
    cells = [f"[#text({literal(display.sentence(one.what))}){note}]", f"[#text({literal(one.document or one.vendor)})]",
             f"text({literal(one.payer)})", f"text({literal(one.row)})", f"text({literal(due)})",
             f"text({literal(amount)})", f"text(size: 8pt, {literal(rules + rate)})", sure]  # fmt: skip
    return ", ".join(cells)


def _credits(credits_: list[MonthCredit]) -> str:
    names = ("T", "T1", "T2", "T3", "T4", "C1", "C2", "D1", "D2", "C3")
    rows = [
        ", ".join([f"text({literal(f'{one.payer}, {one.head.upper()}')})",
                   *(f"text({literal(told_money(getattr(one.shared, name), 'INR'))})" for name in names)])
        for one in credits_ if one.shared
    ]  # fmt: skip
    head = ", ".join(f"text(size: 8.5pt, fill: quiet, {literal(name)})" for name in ("Shared credit", *names))
    return (
        '#block(sticky: true, above: 14pt, below: 6pt, text(size: 12pt, weight: "bold", "Rule 42"))\n'
        f"#text(size: 8.5pt, table(columns: (1fr, ..(auto,) * {len(names)}), align: (left, ..(right,) * {len(names)}), "
        f"stroke: none, inset: (x: 4pt, y: 3pt), {head}, {', '.join(rows)}))"
    )


def _confirm(asked: list[str]) -> str:
    items = "\n".join(f"#block(below: 4pt, above: 4pt, text({literal('– ' + one)}))" for one in asked)
    return (
        "#block(breakable: false, above: 14pt)["
        '#block(below: 6pt, text(size: 12pt, weight: "bold", "Confirm with a professional"))\n'
        f"{items}]"
    )


def _rules(names: list[str], book: RuleBook) -> str:
    heads = ", ".join(f"text(fill: quiet, {literal(one)})" for one in RULE_HEADS)
    rows = [
        f"text({literal(name)}), text({literal(rule.starts or '–')}), text({literal(rule.condition)}), "
        f"text({literal(rule.citation)}), text({literal(rule.confidence)})"
        for name in names
        if (rule := book.rules.get(name)) is not None
    ]
    return (
        '#block(sticky: true, above: 14pt, below: 6pt, text(size: 12pt, weight: "bold", "Rules used"))\n'
        "#text(size: 8pt, table(columns: (auto, auto, 2.4fr, 1fr, auto), align: left, "
        f"stroke: (x, y) => (bottom: rule), inset: (x: 4pt, y: 3pt), table.header({heads}), {', '.join(rows)}))"
    )

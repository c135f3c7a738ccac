"""A review as a PDF, set by Typst with the fonts that are inside its package."""

from collections.abc import Callable

import typst

from bursar.reviews.facts import Opens
from bursar.reviews.said import Review, Section

HEAD = """
#set document(title: {title}, author: {organization})
#set page(paper: "a4", margin: (x: 22mm, top: 20mm, bottom: 18mm), footer: context align(right,
  text(size: 8.5pt, fill: rgb("#5f6670"), counter(page).display("1 / 1", both: true))))
#set text(font: "Libertinus Serif", size: 10.5pt, lang: "en")
#set par(leading: 0.62em)
#show link: it => text(fill: rgb("#1d4f91"), it)
#let bad = rgb("#a3262a")
#let good = rgb("#1a6b3c")
#let quiet = rgb("#5f6670")
#grid(columns: (1fr, auto), align: (left + bottom, right + bottom),
  text(size: 20pt, weight: "bold", {title}), text(fill: quiet, {organization}))
#v(-4pt)
#line(length: 100%, stroke: 0.8pt + quiet)
#text(fill: quiet, {period})
#v(4pt)
#text(size: 12.5pt, {lead})
#v(2pt)
"""

SECTION_HEAD = """#v(8pt)
#block(sticky: true, grid(columns: (1fr, auto),
  text(size: 13pt, weight: "bold", {title}), text(fill: quiet, {minutes})))
"""


def to_pdf(review: Review, organization: str, address: Callable[[Opens], str]) -> bytes:
    """The whole review. address: of the page that opens a sentence's number, with its host."""
    return bytes(typst.compile(source_of(review, organization, address).encode(), font_paths=[]))


def source_of(review: Review, organization: str, address: Callable[[Opens], str]) -> str:
    """Typst's markup. What came from outside stands in string literals alone, so none of it is markup."""
    head = HEAD.format(
        title=literal(f"{review.title}, {review.period}"),
        organization=literal(organization),
        period=literal(review.about),
        lead=literal(review.lead),
    )
    return head + "\n".join(_section(section, address) for section in review.sections)


def literal(text: str) -> str:
    """A string of Typst's language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in escaped) + '"'


def _section(section: Section, address: Callable[[Opens], str]) -> str:
    lines = [SECTION_HEAD.format(title=literal(section.title), minutes=literal(f"{section.minutes} min"))]
    if not section.said:
        lines.append(f"#text(fill: quiet, {literal(section.nothing)})")
    for one in section.said:
        colour = {"bad": "bad", "good": "good", "plain": "quiet"}[one.tone]
        mark = f"#text(fill: {colour}, sym.triangle.filled.r)" if one.tone != "plain" else f"#text(fill: {colour}, [–])"
        opens = f"#link({literal(address(one.opens))})[#sym.arrow.r]"
        lines.append(
            f"#block(below: 6pt, grid(columns: (14pt, 1fr, 14pt), [{mark}], "
            f"text({literal(one.text)}), align(right)[{opens}]))"
        )
    return "\n".join(lines) + "\n"

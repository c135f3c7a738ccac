"""A review as plain text: for an e-mail, a chat, a terminal without colours."""

import textwrap
from collections.abc import Callable

from bursar.reviews.facts import Opens
from bursar.reviews.said import Review

WIDTH = 92


def to_text(review: Review, address: Callable[[Opens], str] | None = None) -> str:
    """Headings, sentences, and under each where its number opens (left out without `address`)."""
    lines = [f"{review.title}, {review.period}", "", *textwrap.wrap(review.lead, WIDTH), ""]
    for section in review.sections:
        lines.append(f"{section.title} ({section.minutes} min)")
        if not section.said:
            lines += textwrap.wrap(section.nothing, WIDTH, initial_indent="  ", subsequent_indent="  ")
        for one in section.said:
            lines += textwrap.wrap(one.text, WIDTH, initial_indent="  - ", subsequent_indent="    ")
            if address is not None:
                lines.append(f"    {address(one.opens)}")
        lines.append("")
    return "\n".join(lines)

"""Amounts and instants as a control file writes them: exact both ways."""

import re
from datetime import datetime

from bursar.budgets.budget import PICO_MAX, PICO_PER_UNIT, UNITS_MAX
from bursar.controlfile.document import Figure
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadBudget

_AMOUNT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,12}))?")


def pico_from_text(text: str, field: str) -> int:
    """Raises BadBudget."""
    found = _AMOUNT.fullmatch(text)
    pico = int(found[1]) * PICO_PER_UNIT + int((found[2] or "").ljust(12, "0")) if found else PICO_MAX + 1
    if pico > PICO_MAX:
        raise BadBudget(
            f"{text[:40]!r} is no amount: write 500 or 0.25, up to {UNITS_MAX}, with twelve decimal places at most",
            field=field,
        )
    return pico


def amount_text(pico: int) -> Figure:
    """`5000`, `0.25`: no digit more than needed, none lost."""
    whole, part = divmod(pico, PICO_PER_UNIT)
    return Figure(f"{whole}.{part:012}".rstrip("0").rstrip("."))


def instant_from_text(text: str, field: str) -> int:
    """Raises BadBudget."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return us_from_datetime(found)
    except (ValueError, OverflowError):
        pass
    raise BadBudget(f"{text[:40]!r} is no instant: write 2026-12-01T00:00:00+00:00", field=field)


def instant_text(at_us: int) -> str:
    return datetime_from_us(at_us).isoformat()

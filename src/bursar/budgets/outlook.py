"""A forecast in words and exact text, as the terminal, the API and the pages tell it."""

from datetime import datetime

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.forecast import Forecast, State
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.told import spec_at, usd_text
from bursar.budgets.windows import Window
from bursar.domain import dates
from bursar.domain.calendar import zone
from bursar.domain.clock import datetime_from_us


class Outlook(msgspec.Struct, frozen=True):
    """When the budget will be exhausted at the present pace. said: in a sentence, in the budget's time zone.

    about: the value of its `each` that this is about, the one with least left.
    earliest, latest: four times in five it is between these; null: not before `until`.
    end_usd: what is expected to be spent by `until`, between low and high four times in five.
    basis: what the pace was learned from. planned: names of planned events that are counted in.
    """

    state: State
    said: str
    about: str
    exhausted_at: datetime | None
    earliest: datetime | None
    latest: datetime | None
    until: datetime
    per_day_usd: str
    end_usd: str | None
    end_low_usd: str | None
    end_high_usd: str | None
    basis: str
    planned: tuple[str, ...] = ()


def tell_outlook(budget: Budget, found: Forecast, about: str, now_us: int) -> Outlook:
    """found: the forecast of the budget, or of one value of it."""
    window = scheduled_window(budget.window, now_us)
    end = found.path[-1] if found.path else None
    return Outlook(
        state=found.state,
        said=_sentence(found, window, spec_at(budget, now_us).timezone),
        about=about,
        exhausted_at=_at(found.at_us),
        earliest=_at(found.earliest_us) if found.has_band else None,
        latest=_at(found.latest_us) if found.has_band else None,
        until=datetime_from_us(found.end_us),
        per_day_usd=usd_text(found.per_day_pico),
        end_usd=usd_text(end.pico) if end else None,
        end_low_usd=usd_text(end.low) if end and found.has_band else None,
        end_high_usd=usd_text(end.high) if end and found.has_band else None,
        basis=found.said_by,
        planned=found.planned,
    )


def _sentence(found: Forecast, window: Window, timezone: str) -> str:
    def moment(at_us: int) -> str:
        return dates.moment(datetime_from_us(at_us), zone(timezone), seconds=False)

    pace = "at this pace, with what is planned" if found.planned else "at this pace"
    match found.state:
        case "spent":
            return "exhausted"
        case "unknown":
            return "no limit now" if not window.in_force else "no forecast before a full hour with calls has gone by"
        case "exhausts" if found.at_us is not None:
            said = f"exhausted on {moment(found.at_us)} {pace}"
            if found.has_band and found.earliest_us is not None:
                until = f"between {moment(found.earliest_us)} and {moment(found.latest_us)}" if found.latest_us else (
                    f"{moment(found.earliest_us)} at the earliest, perhaps not at all"
                )  # fmt: skip
                said += f" ({until})"
            return said
    said = f"not exhausted {_stretch(window)} {pace}"
    if found.has_band and found.earliest_us is not None:
        said += f", though it could be by {moment(found.earliest_us)}"
    return said


def _stretch(window: Window) -> str:
    match window.turn:
        case "rolls":
            return f"in the {window.label.replace('last', 'next')}"
        case "never":
            return "within a year"
    return "in this window"


def _at(at_us: int | None) -> datetime | None:
    return None if at_us is None else datetime_from_us(at_us)

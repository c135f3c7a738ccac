"""Holidays of places, and dates of one's own: days on which less is to be expected, and that teach no weekday."""

from collections.abc import Iterable
from datetime import date

import holidays


class FreeDays:
    """Which dates are holidays in any of some places.

    >>> date(2026, 11, 26) in FreeDays(["IN", "US-CA"])  # Thanksgiving
    True
    """

    def __init__(self, names: Iterable[str]) -> None:
        """names: ISO 3166 codes of countries, alone or with a part of one ("IN", "US-CA"), and dates ("2026-12-24").

        Raises ValueError that says which of them nobody knows.
        """
        self._dates: set[date] = set()
        self._places: list[holidays.HolidayBase] = []
        for name in names:
            if name[:1].isdigit():
                self._dates.add(_date(name))
            else:
                self._places.append(_place(name))

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and (day in self._dates or any(day in place for place in self._places))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date; write 2026-12-24") from error


def _place(name: str) -> holidays.HolidayBase:
    country, _, part = name.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ValueError(f"of {name!r} no holidays are known; write IN, or US-CA for a part of a country") from error

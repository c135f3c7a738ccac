"""Tokens that a provider keeps and bills by the hour: exact, and rounded once with the charge.

A price of one token-hour is a whole number of femto-dollars, but a cache lives no whole number of hours. So storage has
two lines: whole token-hours at their price, and what is left of them as an amount.
"""

from bursar.domain.usage import Usage

HOUR_US = 3_600_000_000
STORAGE = "cache_storage"
PART = "cache_storage_part"
"""The line of what is beside whole token-hours: its quantity is 1, its unit price the amount."""


def token_hours(tokens: int, kept_us: int) -> int:
    """Rounded to whole ones, as they are counted.

    >>> token_hours(40_000, 5_400_000_000), token_hours(1, 1_799_999_999), token_hours(1, 1_800_000_000)
    (60000, 0, 1)
    """
    return (tokens * kept_us + HOUR_US // 2) // HOUR_US


def storage_usage(tokens: int, kept_us: int, input_tokens: int = 0) -> Usage:
    """The usage of so many tokens that are kept for so long. input_tokens: billed for making the cache."""
    return Usage(input_tokens, cache_storage=token_hours(tokens, kept_us), kept_tokens=tokens, kept_us=kept_us)


def storage_lines(tokens: int, kept_us: int, femto: int, beside: int = 0) -> list[tuple[str, int, int]]:
    """The lines of so many tokens kept for so long.

    femto: the price of one token-hour. beside: what the charge's other lines come to.
    What is left of whole token-hours is a fraction of a femto-dollar off at most. It is cut so that the whole charge
    ends on an odd femto-dollar where something was cut (rounding to odd): then rounding the lines' sum to pico-dollars,
    half-even, gives what rounding the exact amount once would have given.

    >>> storage_lines(40_000, 5_400_000_000, 1_000_000_000)
    [('cache_storage', 60000, 1000000000)]
    >>> storage_lines(7, 1_000_000, 1_000_000_000)
    [('cache_storage', 0, 1000000000), ('cache_storage_part', 1, 1944445)]
    """
    whole = tokens * kept_us // HOUR_US
    exact, cut = divmod(tokens * kept_us * femto, HOUR_US)
    if cut and (beside + exact) % 2 == 0:
        exact += 1
    part = exact - whole * femto
    lines = [(STORAGE, whole, femto)]
    return [*lines, (PART, 1, part)] if part else lines

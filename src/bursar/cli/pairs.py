"""`name=value` on the command line, as often as one likes."""

from collections.abc import Iterable

from bursar.domain.errors import BadControl


def read_pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """`["feature=checkout"]` as a dict. Raises BadControl for what has no `=`, or names one thing twice."""
    found: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise BadControl(f"{option} {pair!r}: write it as NAME=VALUE", field=option.lstrip("-"))
        if name in found:
            raise BadControl(f"{option} {name}: given twice; all conditions must hold at once, and it has one value",
                             field=option.lstrip("-"))  # fmt: skip
        found[name] = value
    return found

"""What was typed into a form, and the parts that forms share: conditions, `each`, lists, pairs, whole numbers.

Nothing is raised: what can't be read is noted beside its field, so that a form tells all of it at once.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Entry = dict[str, Any]
"""Fields of one thing as a control file has them; scalars are text."""

TAG = "tag"  # in a list of dimensions: any tag, whose name is typed beside it
TAG_PREFIX = "tag:"
CONDITIONS_MAX = 8
CONDITIONS_SHOWN = 3


class Fields:
    """typed: by the form's field names. errors: what is wrong, by the same names; "" is the form as a whole."""

    def __init__(self, typed: Mapping[str, str]) -> None:
        self.typed = typed
        self.errors: dict[str, str] = {}

    def text(self, name: str) -> str:
        """Without blanks around it; "" where nothing was typed."""
        return self.typed.get(name, "").strip()

    def ticked(self, name: str) -> bool:
        return self.text(name) == "yes"

    def wrong(self, name: str, message: str) -> None:
        """The first thing that is wrong with a field is told."""
        self.errors.setdefault(name, message)

    def figure(self, name: str) -> str:
        """A whole number from 1, as text; "" where nothing was typed."""
        text = self.text(name)
        if text and not (text.isascii() and text.isdigit() and int(text[:20]) > 0):
            self.wrong(name, f"{text[:40]!r} is no whole number from 1: write 4096, without dots or commas")
            return ""
        return text

    def words(self, name: str) -> list[str]:
        """What stands between commas and ends of lines."""
        return [word for part in re.split(r"[,\n]", self.text(name)) if (word := part.strip())]

    def pairs(self, name: str, example: str) -> dict[str, str]:
        """`name=value` on each line."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, self.text(name).splitlines())):
            key, equals, value = (part.strip() for part in line.partition("="))
            if not (key and equals and value):
                self.wrong(name, f"{line[:60]!r} says nothing: write {example}, one on a line")
            elif key in found:
                self.wrong(name, f"{key} is there twice; leave one of them out")
            found[key] = value
        return found


def read_dimension(form: Fields, choice: str, tag: str) -> str:
    """A dimension that was chosen, or `tag:NAME`; "" where none was."""
    name = form.text(choice)
    if name != TAG:
        return name
    if not form.text(tag):
        form.wrong(tag, "which tag? Write its name, such as plan")
    return TAG_PREFIX + form.text(tag).removeprefix(TAG_PREFIX)


def read_conditions(form: Fields) -> dict[str, str]:
    """The rows `where_0`, `where_1` … with their values; rows without a dimension say nothing."""
    found: dict[str, str] = {}
    for at in range(CONDITIONS_MAX):
        name, value = read_dimension(form, f"where_{at}", f"where_tag_{at}"), form.text(f"where_value_{at}")
        if not name:
            if value:
                form.wrong(f"where_{at}", f"whose calls does {value[:40]!r} name? Choose it in front")
        elif not value:
            form.wrong(f"where_value_{at}", "which one? Write its name, or choose “every call” in front")
        elif name in found:
            form.wrong(f"where_{at}", f"{name} is asked for twice, and a call has one value of it; leave one out")
        else:
            found[name] = value
    return found


def place_of_condition(form: Fields, name: str) -> str:
    """The field of the row that a condition stands in."""
    rows = [at for at in range(CONDITIONS_MAX) if read_dimension(form, f"where_{at}", f"where_tag_{at}") == name]
    return f"where_value_{rows[0] if rows else 0}"


def fill_dimension(name: str, choice: str, tag: str) -> dict[str, str]:
    """The other way of `read_dimension`."""
    return {choice: TAG, tag: name.removeprefix(TAG_PREFIX)} if name.startswith(TAG_PREFIX) else {choice: name}


def fill_conditions(match: Mapping[str, str], key_names: Mapping[str, str]) -> dict[str, str]:
    """The other way of `read_conditions`. key_names: of keys by their ids, which a form shows in place of them."""
    typed: dict[str, str] = {}
    for at, (name, value) in enumerate(match.items()):
        typed |= fill_dimension(name, f"where_{at}", f"where_tag_{at}")
        typed[f"where_value_{at}"] = key_names.get(value, value) if name == "credential" else value
    return typed


def conditions_shown(typed: Mapping[str, str]) -> int:
    """How many rows of conditions a form has: those in use and one more, CONDITIONS_SHOWN at least."""
    used = [at for at in range(CONDITIONS_MAX) if typed.get(f"where_{at}") or typed.get(f"where_value_{at}")]
    return min(CONDITIONS_MAX, max(CONDITIONS_SHOWN, max(used, default=-1) + 2))


def lines_of(pairs: Mapping[str, Any]) -> str:
    """The other way of `Fields.pairs`; lists of values with commas between."""
    return "\n".join(f"{name}={_listed(value)}" for name, value in pairs.items())


def words_of(words: Iterable[str]) -> str:
    """The other way of `Fields.words`."""
    return ", ".join(words)


def _listed(value: Any) -> str:
    return words_of(value) if isinstance(value, list | tuple) else str(value)

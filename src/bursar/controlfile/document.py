"""YAML, as little of it as a control file needs: mappings, lists and text, each with the line it stands on.

Every scalar is the text that was written: `5000.10` never passes through a float, and `no` is not a boolean. Anchors,
aliases, tags and empty values are refused, so a small file can't unfold into a large one.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from bursar.domain.errors import BadControlFile

FILE_BYTES_MAX = 4_000_000
DEPTH_MAX = 8
LINE_CHARS = 10_000  # no value is folded: a line of a difference is a field
PLACE_CHARS_MAX = 300  # of one that is told in an error
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_EMPTY = ("", "~", "null", "Null", "NULL")

Place = tuple[str, ...]
"""Where in a file: `("budgets", "engineering", "limit")`; items of a list by their number from 0."""


class Figure(str):
    """Digits that are written without quotation marks."""

    __slots__ = ()


class Document:
    """What a file says. value: dicts, lists and texts. Places know their lines, for whoever must correct one."""

    def __init__(self, data: bytes) -> None:
        """Raises BadControlFile."""
        if len(data) > FILE_BYTES_MAX:
            raise BadControlFile(f"the file has {len(data)} bytes; at most {FILE_BYTES_MAX} are read")
        self._lines: dict[Place, int] = {}
        try:
            events = list_events(data)
            self.value = self._read(next(events), events, ())
            for _ in events:  # none; a second document is refused on the way
                pass
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadControlFile(f"the file is no YAML: {' '.join(str(error).split())[:300]}") from error

    def error(self, place: Place, message: str) -> BadControlFile:
        """A mistake at a place, with its line or that of what it is in."""
        known = next((place[:end] for end in range(len(place), 0, -1) if place[:end] in self._lines), ())
        line = self._lines.get(known, 1)
        dotted = ".".join(place)[:PLACE_CHARS_MAX]
        dotted = dotted if dotted.isprintable() else repr(dotted)
        return BadControlFile(f"line {line}: {dotted}: {message}" if dotted else f"line {line}: {message}",
                              field=dotted or None)  # fmt: skip

    def _read(self, event: Any, events: Iterator[Any], place: Place) -> Any:
        self._lines[place] = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor or getattr(event, "tag", None):
            raise self.error(place, "anchors, aliases and tags (& * !) aren't read: write it out")
        if len(place) > DEPTH_MAX:
            raise self.error(place, f"nested deeper than {DEPTH_MAX}")
        if isinstance(event, yaml.ScalarEvent):
            if event.implicit[0] and event.value in _EMPTY:
                raise self.error(place, "is empty: leave it out, or write {} or []")
            return event.value
        if isinstance(event, yaml.SequenceStartEvent):
            found: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                found.append(self._read(event, events, (*place, str(len(found)))))
            return found
        return self._read_mapping(events, place)

    def _read_mapping(self, events: Iterator[Any], place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.anchor or key.tag:
                raise self.error(place, "a name here must be a text")
            inner = (*place, key.value)
            line = key.start_mark.line + 1
            if key.value in found:
                raise self.error(inner, f"stands here twice, again in line {line}; one of them is a mistake")
            found[key.value] = self._read(next(events), events, inner)
            self._lines[inner] = line
        return found


def list_events(data: bytes) -> Iterator[Any]:
    """Events of the one document in a file. Raises yaml.YAMLError, BadControlFile for none or several."""
    documents = 0
    for event in yaml.parse(data.decode(), Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise BadControlFile(f"line {event.start_mark.line + 1}: a second document; one file has one")
        elif not isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
            yield event
    if not documents:
        raise BadControlFile("the file is empty; `bursar export` prints one to begin with")


def write_document(value: Any) -> str:
    """Plain values as YAML that `Document` reads back."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=LINE_CHARS)
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Knows figures; writes equal lists twice instead of as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_figure(dumper: yaml.SafeDumper, figure: Figure) -> Any:
    kind = "float" if "." in figure else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", str(figure))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> Any:
    """Whatever a reader might take for a break of a line is escaped, between quotation marks."""
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(Figure, _represent_figure)
_Dumper.add_representer(str, _represent_text)

"""Reading a request field by field: each is asked for once, and what nobody asked for is lost by its path."""

from typing import Any, Self

import msgspec

from bursar.domain.errors import BadRequest, InvalidJson
from bursar.providers.reading import decode_request
from bursar.translate.conversation import Losses

_ANY = msgspec.json.Decoder()


class Fields:
    """One object of a request. path: its place, "" for the body itself: "messages[2].content[0]"."""

    __slots__ = ("_left", "losses", "path")

    def __init__(self, value: Any, path: str, losses: Losses) -> None:
        self._left: dict[str, Any] = dict(object_of(value, path))
        self.path = path
        self.losses = losses

    def where(self, name: str) -> str:
        """The path of one of its fields."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        """A field as it came; None if it isn't there."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str:
        """A text; "" if it isn't there. Raises BadRequest if it is something else."""
        value = self._left.pop(name, None)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise BadRequest(f"{self.where(name)}: a text is needed", field=self.where(name))
        return value

    def flag(self, name: str) -> bool | None:
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise BadRequest(f"{self.where(name)}: true or false is needed", field=self.where(name))
        return value

    def integer(self, name: str) -> int | None:
        """A whole number, 0 or more."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise BadRequest(f"{self.where(name)}: a whole number is needed", field=self.where(name))
        return value

    def number(self, name: str) -> float | None:
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
            raise BadRequest(f"{self.where(name)}: a number is needed", field=self.where(name))
        return float(value)

    def items(self, name: str) -> list[Any]:
        """A list; empty if it isn't there."""
        return list_of(self._left.pop(name, None), self.where(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.items(name)
        if not all(isinstance(item, str) for item in found):
            raise BadRequest(f"{self.where(name)}: a list of texts is needed", field=self.where(name))
        return tuple(found)

    def inner(self, name: str) -> Self | None:
        """An object inside; None if it isn't there."""
        value = self._left.pop(name, None)
        return None if value is None else type(self)(value, self.where(name), self.losses)

    def json(self, name: str) -> str:
        """An object inside, as text; "" if it isn't there."""
        value = self._left.pop(name, None)
        return "" if value is None else json_text(object_of(value, self.where(name)))

    def skip(self, *names: str) -> None:
        """Fields that say nothing."""
        for name in names:
            self._left.pop(name, None)

    def lose(self, name: str) -> None:
        """A field that is there and can't be carried over."""
        if self._left.pop(name, None) is not None:
            self.losses.lose(self.where(name))

    def done(self) -> None:
        """What nobody asked for is lost."""
        for name, value in self._left.items():
            if value is not None:
                self.losses.lose(self.where(name[:64]))


def read_object(body: bytes) -> dict[str, Any]:
    """A request's body. Raises InvalidJson, or BadRequest if it isn't an object."""
    value = decode_request(_ANY, body)
    if not isinstance(value, dict):
        raise BadRequest("the request body is not a JSON object")
    return value


def read_fields(body: bytes, losses: Losses) -> Fields:
    """The same, field by field."""
    return Fields(read_object(body), "", losses)


def object_of(value: Any, path: str) -> dict[str, Any]:
    """Raises BadRequest if it isn't an object."""
    if not isinstance(value, dict):
        raise BadRequest(f"{path}: an object is needed", field=path)
    return value


def list_of(value: Any, path: str) -> list[Any]:
    """Nothing is an empty list. Raises BadRequest if it isn't a list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"{path}: a list is needed", field=path)
    return value


def json_text(value: Any) -> str:
    """JSON as the shared form keeps it. Raises InvalidJson for what is nested so deeply that it can't be written."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError as error:
        raise InvalidJson("the request body is not valid JSON: it is nested too deeply") from error

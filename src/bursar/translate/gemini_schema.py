"""Gemini's own schemas (a subset of OpenAPI's, types in capitals) as JSON Schema, which everybody else speaks."""

import re
from typing import Any

from bursar.domain.errors import InvalidJson

_UNDERSCORE = re.compile(r"_([a-z])")
_NUMBERS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_MAPS = ("properties", "$defs")
_LISTS = ("anyOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")
_NAMES = {"defs": "$defs", "ref": "$ref"}
_NO_TYPE = "TYPE_UNSPECIFIED"


def camel(name: str) -> str:
    """function_declarations as functionDeclarations: Google takes either."""
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name) if "_" in name else name


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema. Raises InvalidJson if it is nested so deeply that it can't be walked."""
    try:
        return _schema(schema)
    except RecursionError as error:
        raise InvalidJson("the request body is not valid JSON: a schema is nested too deeply") from error


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    is_nullable = False
    for name, value in schema.items():
        name = camel(name)
        name = _NAMES.get(name, name)
        if name == "nullable":
            is_nullable = value is True
        elif name == "type" and isinstance(value, str):
            if value != _NO_TYPE:
                found["type"] = value.lower()
        elif name == "example":
            found["examples"] = [value]
        elif name == "propertyOrdering":
            continue  # of the answer's text alone
        elif name in _NUMBERS and isinstance(value, str) and value.isascii() and value.isdigit():
            found[name] = int(value[:18])
        else:
            found[name] = _inside(name, value)
    if is_nullable and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if isinstance(found.get("enum"), list):
            found["enum"] = [*found["enum"], None]
    return found


def _inside(name: str, value: Any) -> Any:
    if name in _MAPS and isinstance(value, dict):
        return {key: _schema(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [_schema(inner) if isinstance(inner, dict) else inner for inner in value]
    if name in _SINGLE and isinstance(value, dict):
        return _schema(value)
    return value

"""Reads, merges and checks all settings."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bursar.config.checks import check
from bursar.config.settings import REGION_PLACE, Config
from bursar.domain.errors import ConfigError
from bursar.providers.services import SERVICES, defaults_of

ENV_PREFIX = "BURSAR_"
HARMLESS_ENV = frozenset({"BURSAR_CONFIG"})
ALERT_PREFIX = "BURSAR_ALERT_"  # addresses and secrets of alerts' channels, which the control store names
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")

DEFAULT_UPSTREAMS = ("openai", "anthropic", "gemini")
"""The zero-config install: three services, as declared. `base_url` is the host; the path a client asked for is kept."""


def load_config(
    path: Path | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read, merge and check all settings.

    overrides: dotted names from the command line, `{"gateway.port": 9000}`; None values are left out.
    Raises ConfigError that names the setting (`upstreams.openai.base_url`) and what it should be.
    """
    tree: dict[str, Any] = {"upstreams": {name: {} for name in DEFAULT_UPSTREAMS}}
    if path is not None:
        _merge(tree, _read_toml(path))
    _merge(tree, _tree_from_env(env))
    for dotted, value in (overrides or {}).items():
        if value is not None:
            _put(tree, dotted.split("."), value)
    _fill_in_services(tree)
    try:
        try:
            config = msgspec.convert(tree, Config, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"setting not usable: {error}", field=_dotted(str(error))) from error
        check(config)
    except ConfigError as error:
        raise _naming_variable(error, env, overrides or {}) from error
    return config


def _fill_in_services(tree: dict[str, Any]) -> None:
    """What an upstream doesn't say, from its service's declaration. Raises ConfigError for one that isn't there."""
    upstreams = tree["upstreams"]
    if not isinstance(upstreams, dict):
        return
    for name, upstream in upstreams.items():
        if not isinstance(upstream, dict):
            continue  # the check of types says it better
        service = upstream.get("service") or name
        if upstream.get("service") and service not in SERVICES:
            raise ConfigError(
                f"upstreams.{name}.service is {service!r}; services are {', '.join(SERVICES)}",
                field=f"upstreams.{name}.service",
            )
        filled = {**defaults_of(str(service)), **upstream}
        if filled.get("region"):  # an address that has a place for it
            filled["base_url"] = str(filled["base_url"]).replace(REGION_PLACE, str(filled["region"]))
        upstreams[name] = filled


def _naming_variable(error: ConfigError, env: Mapping[str, str], overrides: Mapping[str, Any]) -> ConfigError:
    """The same error, with the environment variable that it came from, if it did: there is where to mend it."""
    unknown = _UNKNOWN.search(error.message)
    field = ".".join(part for part in (error.field, unknown[1] if unknown else "") if part)
    if not field or overrides.get(field) is not None:
        return error
    for name in env:
        if _is_setting(name) and f"{_dots(name)}.".startswith(f"{field}."):
            return ConfigError(f"{error.message} (from the environment variable {name})", field=field)
    return error


def _is_setting(name: str) -> bool:
    return name.startswith(ENV_PREFIX) and name not in HARMLESS_ENV and not name.startswith(ALERT_PREFIX)


def _dots(name: str) -> str:
    """`BURSAR_GATEWAY__PORT` as a setting's name."""
    return ".".join(part.lower() for part in name.removeprefix(ENV_PREFIX).split("__"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}", field="config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", field="config") from error


def _tree_from_env(env: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in env.items():
        if _is_setting(name):
            _put(tree, _dots(name).split("."), _value(value))
    return tree


def _value(text: str) -> Any:
    """An environment variable is text; a list or a table may be written as JSON."""
    if text[:1] in "[{":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{'.'.join(keys)} is set below a plain value", field=".".join(keys))
    tree[keys[-1]] = value


def _merge(tree: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _dotted(message: str) -> str:
    """msgspec ends its messages with "- at `$.gateway.port`"."""
    _, found, where = message.rpartition("`$")
    if not found:  # it is about the whole
        return ""
    return where.strip("`").lstrip(".")

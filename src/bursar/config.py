"""Settings: defaults < `bursar.toml` < environment (`BURSAR_UPSTREAMS__OPENAI__BASE_URL`) < command line.

Every name here is in docs/settings.md; a test compares. Secrets are never written in the file: an upstream's key is
named by the environment variable that holds it.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from bursar.domain.display import is_locale
from bursar.domain.errors import BadPeriod, ConfigError
from bursar.domain.ids import ATTEMPT_NUMBER_MAX
from bursar.domain.ladders import Ladder, faults_of_ladder, rules_of
from bursar.domain.loops import COUNT_FIELDS, EXEMPT_BY, MONEY_FIELDS, TIME_FIELDS, Loops
from bursar.domain.periods import zone
from bursar.domain.routes import RouteRule, faults_of
from bursar.domain.scope import RETRY_SCOPES
from bursar.providers.bedrock_paths import BEDROCK, region_of
from bursar.providers.services import AUTHS, SERVICES, SIGV4, defaults_of

ENV_PREFIX = "BURSAR_"
HARMLESS_ENV = frozenset({"BURSAR_CONFIG"})
ALERT_PREFIX = "BURSAR_ALERT_"  # addresses and secrets of alerts' channels, which the control store names
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class Upstream(msgspec.Struct, forbid_unknown_fields=True):
    """One provider endpoint. What it doesn't say, the declaration of its service does (`providers/services.py`)."""

    base_url: str = ""
    dialect: str = "openai"  # a family: "openai" (chat, …), "anthropic", "azure", "gemini", "vertex" or "bedrock"
    provider: str = ""  # whose price list applies; default: the upstream's own name
    api_key_env: str = ""  # the environment variable with the operator's key, for virtual keys
    auth: str = ""  # the header of that key: "bearer", "x-api-key", "api-key", ..., or "sigv4"; default: its dialect's
    passthrough: bool = True  # may a client use its own provider key?
    include_usage: bool = True  # ask streams for usage where the client didn't (`stream_options.include_usage`)
    models: list[str] = []  # model name patterns this upstream serves; empty: the default of its dialect family
    model_names: dict[str, str] = {}  # what an id stands for, {deployment: model}, so that it can be priced
    forward_headers: list[str] = []  # more client headers to pass on, beside the standard ones
    proxy: str = ""  # http://host:port of a CONNECT proxy
    ca_bundle: str = ""  # path of a PEM file, beside the system's
    region: str = ""  # where it serves, for policies that allow or deny regions
    service: str = ""  # a name of `providers/services.py`; default: the upstream's own name, where that is one
    speaks: list[str] = []  # names of dialects (docs/dialects.md); empty: all of its family
    data_classes: list[str] = []  # routes lead here only calls whose tag `data_class` is one of these; empty: any
    path_prefix: str = "/v1"  # what stands at the provider in the place of `/v1`


class Gateway(msgspec.Struct, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8787
    workers: int = 1
    body_bytes_max: int = 20 * 1024 * 1024
    attempts_max: int = 3
    retry_usd_max: str = "10"  # what the retries of one call can cost at most, in USD
    retry_usd_per_hour_max: str = "50"  # what all retries of one scope can cost at most in a clock hour, in USD
    retry_scope: str = "organization"  # that scope: each organization, team, project, key, feature, customer, ...
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 600.0
    idle_timeout_s: float = 300.0  # between two chunks of a stream
    call_timeout_s: float = 1800.0  # one deadline over all attempts of a call
    connections_per_upstream_max: int = 512
    connection_idle_s: float = 15.0  # shorter than any upstream's own, so that no request meets a dying connection
    waiting_calls_max: int = 2048
    client_stall_s: float = 120.0  # a client that takes no byte of its stream for so long has gone
    drain_after_hangup_s: float = 30.0  # how long to read on, for the usage, after a client left; 0: cut at once
    hidden_input_tokens_first: int = 16_384  # held for input that an upstream may add, until a model's first bill
    output_tokens_default: int = 4096  # the bound's assumption where neither request nor price list says
    expose_metrics: bool = True
    budget_refusal_status: int = 402  # 402, or 429 for clients that know no other "no"
    journal_segment_bytes: int = 8 * 1024 * 1024  # disk claimed at a time by each worker's journal


class Control(msgspec.Struct, forbid_unknown_fields=True):
    url: str = ""  # postgresql+psycopg://user@host/name for several nodes; empty: SQLite in the data directory


class Console(msgspec.Struct, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8788
    timezone: str = "UTC"
    currency: str = "USD"
    locale: str = "en_US"


class Prices(msgspec.Struct, forbid_unknown_fields=True):
    overrides: str = ""  # a dated TOML file of local prices; default: prices.toml in the data directory, if there


class Alerts(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool = True
    look_every_s: float = 15.0
    console_url: str = ""  # how messages link to the console; default: its own host and port


class Config(msgspec.Struct, forbid_unknown_fields=True):
    data: str = "bursar-data"
    organization: str = "default"
    gateway: Gateway = msgspec.field(default_factory=Gateway)
    console: Console = msgspec.field(default_factory=Console)
    control: Control = msgspec.field(default_factory=Control)
    prices: Prices = msgspec.field(default_factory=Prices)
    alerts: Alerts = msgspec.field(default_factory=Alerts)
    loops: Loops = msgspec.field(default_factory=Loops)
    aliases: dict[str, str] = {}  # a name that calls may ask for → the model, `provider/model` or not
    routes: list[RouteRule] = []  # the first that is about a call says where it goes
    ladders: list[Ladder] = []  # models, the cheapest first: what a call's mode (eco, balanced, sport) means
    default_ladders: bool = True  # ladders of the well-known families, after those above
    upstreams: dict[str, Upstream] = msgspec.field(default_factory=dict)

    @property
    def data_path(self) -> Path:
        return Path(self.data).expanduser().resolve()


DEFAULT_UPSTREAMS = ("openai", "anthropic", "gemini")
"""The zero-config install: three services, as declared. `base_url` is the host; the path a client asked for is kept."""


REGION_PLACE = "{region}"


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
        _check(config)
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


def _check(config: Config) -> None:
    _check_upstreams(config)
    for name, model in config.aliases.items():
        if not name or not model:
            raise ConfigError("an alias and its model can't be empty", field=f"aliases.{name}")
    for at, rule in enumerate(config.routes):
        for field, wrong in faults_of(rule, frozenset(config.upstreams)):
            raise ConfigError(f"routes[{at}] {rule.name!r}: {wrong}", field=f"routes[{at}].{field}")
    for at, ladder in enumerate(config.ladders):
        faults = faults_of_ladder(ladder)
        if not faults:  # what it comes to are routes
            faults = [fault for rule in rules_of(ladder) for fault in faults_of(rule, frozenset(config.upstreams))]
        for field, wrong in faults:
            raise ConfigError(f"ladders[{at}] {ladder.name!r}: {wrong}", field=f"ladders[{at}].{field}")
    if config.gateway.attempts_max > ATTEMPT_NUMBER_MAX:
        raise ConfigError(
            f"gateway.attempts_max is {config.gateway.attempts_max}; it can be {ATTEMPT_NUMBER_MAX} at most",
            field="gateway.attempts_max",
        )
    for field, value, least in (
        ("gateway.workers", config.gateway.workers, 1),
        ("gateway.attempts_max", config.gateway.attempts_max, 1),
        ("gateway.hidden_input_tokens_first", config.gateway.hidden_input_tokens_first, 0),
        ("gateway.body_bytes_max", config.gateway.body_bytes_max, 1024),
        ("gateway.journal_segment_bytes", config.gateway.journal_segment_bytes, 64 * 1024),
    ):
        if value < least:
            raise ConfigError(f"{field} is {value}; it must be at least {least}", field=field)
    for field, port in (("gateway.port", config.gateway.port), ("console.port", config.console.port)):
        if not 0 <= port <= 65535:
            raise ConfigError(f"{field} is {port}; it must be from 0 (any free one) to 65535", field=field)
    if config.gateway.budget_refusal_status not in (402, 429):
        raise ConfigError(
            f"gateway.budget_refusal_status is {config.gateway.budget_refusal_status}; it can be 402 or 429",
            field="gateway.budget_refusal_status",
        )
    _check_control(config.control)
    _check_usd("gateway.retry_usd_max", config.gateway.retry_usd_max)
    _check_usd("gateway.retry_usd_per_hour_max", config.gateway.retry_usd_per_hour_max)
    if config.gateway.retry_scope not in RETRY_SCOPES:
        raise ConfigError(
            f"gateway.retry_scope is {config.gateway.retry_scope!r}; it can be {', '.join(RETRY_SCOPES)}",
            field="gateway.retry_scope",
        )
    _check_loops(config.loops)
    _check_console(config.console)
    _check_alerts(config.alerts)


def _check_upstreams(config: Config) -> None:
    for name, upstream in config.upstreams.items():
        if not upstream.base_url:
            raise ConfigError(
                f"upstreams.{name}.base_url is missing: where is it? Known without an address are "
                + ", ".join(known for known, service in SERVICES.items() if service.base_url),
                field=f"upstreams.{name}.base_url",
            )
        if upstream.auth not in AUTHS:
            raise ConfigError(
                f"upstreams.{name}.auth is {upstream.auth!r}; it can be {', '.join(AUTHS[1:])}, or empty",
                field=f"upstreams.{name}.auth",
            )
        if not upstream.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"upstreams.{name}.base_url must start with http:// or https://", field=f"upstreams.{name}.base_url"
            )
        _check_aws(name, upstream)


def _check_aws(name: str, upstream: Upstream) -> None:
    """What a signature needs, and that an id without its secret isn't sent as a key."""
    if REGION_PLACE in upstream.base_url:
        raise ConfigError(
            f"upstreams.{name}.region is missing: write the AWS region that it calls, such as us-east-1",
            field=f"upstreams.{name}.region",
        )
    if upstream.dialect != BEDROCK and upstream.auth != SIGV4:
        return
    has_id = upstream.api_key_env.endswith("ACCESS_KEY_ID")
    signs = upstream.auth in ("", SIGV4)
    if upstream.api_key_env and signs != has_id:
        raise ConfigError(
            f"upstreams.{name}.api_key_env is {upstream.api_key_env!r}; auth = {upstream.auth!r} "
            + ("needs a variable whose name ends in ACCESS_KEY_ID" if signs else "needs one with a Bedrock API key"),
            field=f"upstreams.{name}.api_key_env",
        )
    if signs and not (upstream.region or region_of(upstream.base_url)):
        raise ConfigError(
            f"upstreams.{name}.region is missing: a signature holds for one AWS region",
            field=f"upstreams.{name}.region",
        )


def _check_control(control: Control) -> None:
    """The address is written down for the site's processes, so it can't hold a password."""
    if control.url and not control.url.startswith("postgresql+psycopg://"):
        raise ConfigError("control.url is an address such as postgresql+psycopg://user@host/name", field="control.url")
    if ":" in control.url.removeprefix("postgresql+psycopg://").partition("@")[0] and "@" in control.url:
        raise ConfigError(
            "control.url holds a password, which would be written down; put it into PGPASSWORD or a .pgpass file",
            field="control.url",
        )


def _check_usd(field: str, text: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount < 1_000_000):
        raise ConfigError(f'{field} is {text!r}; write an amount of USD as text, such as "0.35"', field=field)


def _check_loops(loops: Loops) -> None:
    """A limit of 0 would cut everything, and a name that isn't one would exempt nothing."""
    for name in MONEY_FIELDS:
        _check_usd(f"loops.{name}", getattr(loops, name))
    for names, least in ((COUNT_FIELDS, 1), (TIME_FIELDS, 0.001)):
        for name in names:
            if getattr(loops, name) < least:
                raise ConfigError(
                    f"loops.{name} is {getattr(loops, name)}; it must be at least {least}", field=f"loops.{name}"
                )
    for one in loops.exempt:
        if one.partition("=")[0] not in EXEMPT_BY or "=" not in one:
            raise ConfigError(
                f"loops.exempt has {one!r}; write NAME=VALUE, and NAME one of {', '.join(EXEMPT_BY)}",
                field="loops.exempt",
            )


def _check_console(console: Console) -> None:
    """What each page would otherwise stumble over, and a currency that would put another sign before dollars."""
    try:
        zone(console.timezone)
    except BadPeriod as error:
        raise ConfigError(f"console.timezone: {error.message}", field="console.timezone") from error
    if console.currency != "USD":
        raise ConfigError(
            f"console.currency is {console.currency!r}; costs are in USD and Bursar has no exchange rates yet",
            field="console.currency",
        )
    if not is_locale(console.locale):
        raise ConfigError(
            f"console.locale is {console.locale!r}, which nobody writes numbers in; use one such as en_US or de_DE",
            field="console.locale",
        )


def _check_alerts(alerts: Alerts) -> None:
    if not 1 <= alerts.look_every_s <= 3_600:
        raise ConfigError(
            f"alerts.look_every_s is {alerts.look_every_s}; it must be from 1 to 3600", field="alerts.look_every_s"
        )
    if alerts.console_url and not alerts.console_url.startswith(("http://", "https://")):
        raise ConfigError("alerts.console_url must start with http:// or https://", field="alerts.console_url")

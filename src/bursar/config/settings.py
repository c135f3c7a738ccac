"""What can be set, and what holds where nothing is."""

from pathlib import Path
from typing import Literal

import msgspec

from bursar.domain.ladders import Ladder
from bursar.domain.loops import Loops
from bursar.domain.routes import RouteRule

REGION_PLACE = "{region}"
"""Stands in an address of a service where its region goes."""


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
    file_bytes_max: int = 256 * 1024 * 1024  # of an upload, or of the requests of a batch
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


class Cache(msgspec.Struct, forbid_unknown_fields=True):
    """Where answers are kept, for the calls that a cache rule is about; without one nothing is."""

    memory_bytes_max: int = 64 * 1024 * 1024  # of each worker
    disk_bytes_max: int = 1024 * 1024 * 1024  # of the node's file, which its workers share; 0: no file
    redis_url: str = ""  # redis://host:port/0, which several nodes share in the place of that file
    redis_password_env: str = ""  # the environment variable with its password
    semantic_wait_s: float = 0.5  # how long a call that a semantic cache may answer waits for its question's comparison
    embedding_timeout_s: float = 5.0  # an upstream's embedding of a question that takes longer is given up


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


class Watch(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool = True
    sensitivity: Literal["low", "normal", "high"] = "normal"  # how many false alarms are accepted
    tags: list[str] = []  # tags whose values are watched beside the dimensions
    holidays: list[str] = []  # "IN", "US-CA", "2026-12-24": less is to be expected then


class Bills(msgspec.Struct, forbid_unknown_fields=True):
    """What providers bill, asked for with an administrator's key; without one nothing is."""

    openai_admin_key_env: str = ""  # the environment variable with the key
    openai_url: str = "https://api.openai.com"
    anthropic_admin_key_env: str = ""
    anthropic_url: str = "https://api.anthropic.com"
    every_h: float = 6.0
    days: int = 35  # asked for each time: the last ones may still change


class Config(msgspec.Struct, forbid_unknown_fields=True):
    data: str = "bursar-data"
    organization: str = "default"
    gateway: Gateway = msgspec.field(default_factory=Gateway)
    console: Console = msgspec.field(default_factory=Console)
    control: Control = msgspec.field(default_factory=Control)
    cache: Cache = msgspec.field(default_factory=Cache)
    prices: Prices = msgspec.field(default_factory=Prices)
    alerts: Alerts = msgspec.field(default_factory=Alerts)
    bills: Bills = msgspec.field(default_factory=Bills)
    watch: Watch = msgspec.field(default_factory=Watch)
    loops: Loops = msgspec.field(default_factory=Loops)
    aliases: dict[str, str] = {}  # a name that calls may ask for → the model, `provider/model` or not
    routes: list[RouteRule] = []  # the first that is about a call says where it goes
    ladders: list[Ladder] = []  # models, the cheapest first: what a call's mode (eco, balanced, sport) means
    default_ladders: bool = True  # ladders of the well-known families, after those above
    upstreams: dict[str, Upstream] = msgspec.field(default_factory=dict)

    @property
    def console_url(self) -> str:
        """Where people reach the console, without a slash at its end."""
        return self.alerts.console_url.rstrip("/") or f"http://{self.console.host}:{self.console.port}"

    @property
    def data_path(self) -> Path:
        return Path(self.data).expanduser().resolve()

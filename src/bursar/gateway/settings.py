"""What one gateway worker needs to know at start, as `site.py` writes it to `<data>/run/worker.json`."""

from pathlib import Path

import msgspec

from bursar.domain.errors import ConfigError
from bursar.domain.ladders import Ladder
from bursar.domain.loops import Loops
from bursar.domain.routes import RouteRule


class UpstreamSettings(msgspec.Struct, frozen=True):
    """One provider endpoint, resolved. Field meanings: `config.Upstream`."""

    name: str
    base_url: str
    dialect: str
    provider: str
    api_key_env: str = ""
    passthrough: bool = True
    include_usage: bool = True
    models: list[str] = []
    forward_headers: list[str] = []
    proxy: str = ""
    ca_bundle: str = ""
    region: str = ""
    speaks: list[str] = []
    path_prefix: str = "/v1"
    auth: str = ""
    model_names: dict[str, str] = {}
    data_classes: list[str] = []


class WorkerSettings(msgspec.Struct, frozen=True):
    """Bounds and places. Times in seconds, sizes in bytes; meanings and defaults: `config.Gateway`."""

    host: str
    port: int
    data: str
    spool: str
    snapshot: str
    price_book: str
    secret: str  # path of the site's secret
    organization: str
    upstreams: list[UpstreamSettings]
    workers: int = 1  # of this node: each keeps to its share of a limit
    body_bytes_max: int = 20 * 1024 * 1024
    file_bytes_max: int = 256 * 1024 * 1024  # of an upload, or of the requests of a batch
    attempts_max: int = 3
    retry_usd_max: str = "10"
    retry_usd_per_hour_max: str = "50"
    retry_scope: str = "organization"
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 600.0
    idle_timeout_s: float = 300.0
    call_timeout_s: float = 1800.0
    connections_per_upstream_max: int = 512
    connection_idle_s: float = 15.0
    waiting_calls_max: int = 2048
    client_stall_s: float = 120.0
    drain_after_hangup_s: float = 30.0
    output_tokens_default: int = 4096
    hidden_input_tokens_first: int = 16_384
    expose_metrics: bool = True
    journal_segment_bytes: int = 8 * 1024 * 1024
    budget_refusal_status: int = 402
    budgets: str = ""  # path of the file with all budgets
    leases: str = ""  # directory of what workers hold
    control: str = ""  # path or address of the control store
    routes: list[RouteRule] = []
    ladders: list[Ladder] = []
    aliases: dict[str, str] = {}
    gates: str = ""  # directory of the weights of quality gates
    loops: Loops = msgspec.field(default_factory=Loops)
    cache_memory_bytes_max: int = 64 * 1024 * 1024
    cache_disk_bytes_max: int = 1024 * 1024 * 1024
    cache_redis_url: str = ""
    cache_redis_password_env: str = ""
    cache_semantic_wait_s: float = 0.5
    cache_embedding_timeout_s: float = 5.0


def load_settings(path: Path) -> WorkerSettings:
    """Read what the site wrote. Raises ConfigError with the file's name: a worker can't start without it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerSettings)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}", field="worker.json") from error

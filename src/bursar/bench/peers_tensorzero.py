"""TensorZero's gateway in Rust, which its Python wheel carries."""

from pathlib import Path

from bursar.bench.environments import python_environment
from bursar.bench.load import BENCH_KEY
from bursar.bench.peer import MODELS, Kind, Launch, Upstreams

START = """
import sys, time
from tensorzero import _start_http_gateway

gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(gateway.base_url, flush=True)
time.sleep(1e6)
"""
"""A private name, the one that its patch of the OpenAI client uses. It listens on a loopback port that it chooses."""


class TensorZero:
    """`tensorzero`, observability off: it proxies, and keeps no ledger, no keys and no prices."""

    name = "TensorZero"
    version = "2026.6.0"
    keeps = "nothing: its observability needs a database"
    slow = False

    def install(self) -> Path:
        return python_environment(f"tensorzero-{self.version}", [f"tensorzero=={self.version}"])

    def launch(self, environment: Path, scratch: Path, upstreams: Upstreams) -> Launch:
        (scratch / "tensorzero.toml").write_text(configuration(upstreams), "utf-8")
        (scratch / "start.py").write_text(START, "utf-8")
        command = [str(environment / "bin" / "python"), "start.py", "tensorzero.toml"]
        prefix = "tensorzero::model_name::"
        return Launch(command, {"OPENAI_API_KEY": BENCH_KEY}, None, "/openai/v1/chat/completions", prefix)


def configuration(upstreams: Upstreams) -> str:
    """Its config file: a model for each kind of answer."""

    def model(kind: Kind, port: int) -> str:
        name = MODELS[kind]
        return (
            f'\n[models."{name}"]\nrouting = ["upstream"]\n'
            f'\n[models."{name}".providers.upstream]\ntype = "openai"\nmodel_name = "{name}"\n'
            f'api_base = "http://127.0.0.1:{port}/v1/"\n'
        )

    return "[gateway]\nobservability.enabled = false\n" + "".join(model(*pair) for pair in upstreams.items())

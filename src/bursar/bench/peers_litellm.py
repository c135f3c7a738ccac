"""LiteLLM's proxy without a database, set up as its page on production says."""

import os
from pathlib import Path

import msgspec

from bursar.bench.environments import python_environment
from bursar.bench.load import BENCH_KEY
from bursar.bench.nginx import free_port
from bursar.bench.peer import MODELS, Kind, Launch, Upstreams


class LiteLLM:
    """`litellm[proxy]`, one worker of uvicorn.

    Its traps: without a master key it takes calls from anyone, without LITELLM_MODE=PRODUCTION it reads .env files,
    without the local cost map it fetches prices at start. `httptools` isn't in the extra, so uvicorn parses in Python.
    """

    name = "LiteLLM"
    version = "1.106.2"
    keeps = "nothing: its rows need PostgreSQL"
    slow = True

    def install(self) -> Path:
        return python_environment(f"litellm-{self.version}", [f"litellm[proxy]=={self.version}"])

    def launch(self, environment: Path, scratch: Path, upstreams: Upstreams) -> Launch:
        port = free_port()
        config = scratch / "config.yaml"
        config.write_bytes(msgspec.json.format(msgspec.json.encode(configuration(upstreams))))  # JSON is YAML too
        command = [str(environment / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
        env = {
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_SALT_KEY": BENCH_KEY,
            "DISABLE_ADMIN_UI": "True",
            "NO_DOCS": "True",
            "NO_REDOC": "True",
        }
        return Launch([*command, "--port", str(port), "--num_workers", "1"], env, port)


def configuration(upstreams: Upstreams) -> dict[str, object]:
    """Its config file: a model for each kind of answer, the settings of its production page."""

    def model(kind: Kind, port: int) -> dict[str, object]:
        name = MODELS[kind]
        where = {"model": f"openai/{name}", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": BENCH_KEY}
        return {"model_name": name, "litellm_params": where}

    return {
        "model_list": [model(kind, port) for kind, port in upstreams.items()],
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600},
        "general_settings": {
            "master_key": BENCH_KEY,
            "proxy_batch_write_at": 60,
            "database_connection_pool_limit": 10,
            "disable_error_logs": True,
        },
    }

"""Settings: defaults < `bursar.toml` < environment (`BURSAR_UPSTREAMS__OPENAI__BASE_URL`) < command line.

Every name here is in docs/settings.md; a test compares. Secrets are never written in the file: an upstream's key is
named by the environment variable that holds it.
"""

from bursar.config.load import load_config
from bursar.config.settings import Config, Gateway, Upstream

__all__ = ["Config", "Gateway", "Upstream", "load_config"]

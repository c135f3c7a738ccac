"""How every process logs: one line an event, to stderr, without secrets.

A traceback is written without the values of variables: in a gateway those are keys and prompts. What still looks like
a key, in a message or in the text of an exception, is replaced by its last four characters.
"""

import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(
    r"(?i)(bearer\s+|basic\s+)[\w.~+/=-]{6,}"
    r"|\b(?:sk|pk|rk|vk|gw|key|api|AIza|xoxb|ghp|hf)[-_][\w-]{8,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
)


def redact(text: str) -> str:
    """Replace what looks like a credential.

    >>> redact("401 for Bearer sk-proj-abcdefghijkl and sk-ant-0123456789abcd")
    '401 for [secret …ijkl] and [secret …abcd]'
    """
    return _SECRET.sub(lambda found: f"[secret …{found.group()[-4:]}]", text)


def configure_logs(process: str) -> None:
    """Set up structlog for this process; `process` is on every line: "gateway-0", "console"."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # plain: no locals
            _redacted,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "process", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # loggers are made at import, before this runs
    )
    structlog.contextvars.bind_contextvars(process=process)


def _redacted(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
    return event

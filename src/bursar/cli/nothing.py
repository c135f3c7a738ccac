"""What to say where an answer has no calls: whether there are any at all, and how to make one."""

from datetime import datetime

import msgspec

from bursar.cli import client
from bursar.site import Site, command_name


class _Status(msgspec.Struct):
    """The one field of `/api/status` that is needed."""

    first_call: datetime | None


def no_calls(site: Site, period: str, wider: str) -> str:
    """`wider`: the command that asks for all time."""
    if client.ask(site, "/api/status", [], _Status).first_call is not None:
        return f"no calls in {period}; are there others? `{wider}`"
    gateway = f"http://{site.config.gateway.host}:{site.config.gateway.port}"
    return (
        f"no calls yet. Run `{command_name()} up` and point a client at it: `export OPENAI_BASE_URL={gateway}/v1` or "
        f"`export ANTHROPIC_BASE_URL={gateway}`. To look around first: `{command_name()} demo`"
    )

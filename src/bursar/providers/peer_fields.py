"""Whom a call is for, as clients of other gateways say it in the body. They come in any dialect, and are passed on.

Source: public documentation of LiteLLM, OpenRouter and TensorZero, 2026; what each becomes: docs/attribution.md.
"""

from typing import Any

import msgspec

from bursar.providers.reading import texts


class PeerFields(msgspec.Struct):
    """Fields of a request beside its dialect's own. Nobody checks their types but us, so anything may stand there."""

    tags: Any = None  # LiteLLM
    litellm_metadata: Any = None
    litellm_session_id: Any = None
    session_id: Any = None  # OpenRouter
    tensorzero_tags: Any = msgspec.field(default=None, name="tensorzero::tags")
    tensorzero_episode_id: Any = msgspec.field(default=None, name="tensorzero::episode_id")


def metadata_of(seen: PeerFields, metadata: dict[str, Any] | None) -> dict[str, str]:
    """All that the body says by key: the dialect's own `metadata` first, then each gateway's field."""
    session = seen.session_id or seen.litellm_session_id or seen.tensorzero_episode_id
    if not (metadata or session or seen.litellm_metadata or seen.tensorzero_tags):
        return {}
    said = texts(metadata)
    for more in (seen.litellm_metadata, seen.tensorzero_tags):
        if isinstance(more, dict):
            said = {**texts(more), **said}
    if isinstance(session, str):
        said.setdefault("session_id", session)
    return said

"""Caches of a rule, as the command line writes them."""

from typing import Any

from bursar.domain.cache_words import span_seconds
from bursar.domain.errors import BadControl


def read_prompt(ttl: str, *, agents: bool) -> dict[str, Any] | None:
    """Prompt caching's fields; without a time there is none. Raises BadControl."""
    if ttl:
        return {"ttl": ttl, "agents": agents}
    if agents:
        raise BadControl("--agents belongs to prompt caching: give --prompt auto, 5m or 1h", field="prompt")
    return None


def read_exact(ttl: str, share: str, *, with_tools: bool, entry_bytes_max: int | None) -> dict[str, Any] | None:
    """The exact cache's fields; without a time there is none. Raises BadControl."""
    if not ttl:
        if with_tools or entry_bytes_max is not None:
            raise BadControl("--with-tools and --entry-bytes-max belong to the exact cache: give --exact-ttl 1h",
                             field="exact")  # fmt: skip
        return None
    found = {"ttl_s": _seconds("--exact-ttl", ttl), "with_tools": with_tools}
    return found | _said(share=share or None, entry_bytes_max=entry_bytes_max)


def read_semantic(mode: str, ttl: str, share: str, embedder: str, **figures: float | None) -> dict[str, Any] | None:
    """The semantic cache's fields; without a mode there is none. figures: by field. Raises BadControl."""
    found = _said(embedder=embedder or None, **figures)
    if not mode:
        if ttl or found:
            raise BadControl(
                "--semantic-ttl, --embedder, --similarity-min, --sample-percent, --agreement-min and --false-hits-max "
                "belong to the semantic cache: give --semantic shadow",
                field="semantic",
            )
        return None
    if ttl:
        found["ttl_s"] = _seconds("--semantic-ttl", ttl)
    return found | _said(mode=mode, share=share or None)


def refuse_idle_share(share: str, *caches: object) -> None:
    """Raises BadControl where nothing is kept that could be shared."""
    if share and not any(caches):
        raise BadControl("--share says who shares kept answers: give --exact-ttl 1h or --semantic shadow",
                         field="share")  # fmt: skip


def _said(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _seconds(option: str, text: str) -> int:
    """`90s`, `30m`, `1h`, `7d` in seconds. Raises BadControl."""
    seconds = span_seconds(text)
    if seconds is None:
        raise BadControl(f"{option} {text[:40]!r}: write how long as 90s, 30m, 1h or 7d", field=option.lstrip("-"))
    return seconds

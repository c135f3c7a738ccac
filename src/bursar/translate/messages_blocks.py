"""Reading the content blocks of Messages: of a system prompt, a turn, a tool's result.

Blocks of tools that the provider runs itself (searches, code) are lost, each by its path: nobody else can go on from
them. A document of plain text becomes a file of it; one made of blocks, those blocks.
"""

import base64
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate.conversation import Losses, Media, Part, Text, Thinking, ToolResult, ToolUse
from bursar.translate.fields import Fields, list_of
from bursar.translate.seal import unsealed

DIALECT = "anthropic-messages"

_KINDS_OF_PLACE = {
    "system": ("text",),
    "user": ("text", "image", "document", "search_result", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "result": ("text", "image", "document", "search_result"),
    "document": ("text", "image"),
}
_CACHES = ("5m", "1h")


def read_blocks(value: Any, path: str, place: str, losses: Losses) -> tuple[Part, ...]:
    """The parts of a content: a text is a block of text. place: "system", "user", "assistant" or "result"."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    parts: list[Part] = []
    allowed = _KINDS_OF_PLACE[place]
    for at, item in enumerate(list_of(value, path)):
        block = Fields(item, f"{path}[{at}]", losses)
        kind = block.text("type")
        if kind in allowed:
            _READERS[kind](block, parts)
            block.done()
        elif kind in _READERS:
            raise BadRequest(f"{block.path}: a block of type {kind} can't stand here", field=block.path)
        elif not kind:
            raise MissingField(f"{block.where('type')}: a block needs its type", field=block.where("type"))
        else:
            losses.lose(f"{block.path}.{kind[:64]}")
    return tuple(parts)


def cache_of(block: Fields) -> str:
    """`cache_control` as the lifetime of a breakpoint; "" if there is none."""
    control = block.inner("cache_control")
    if control is None:
        return ""
    lifetime = control.text("ttl") or "5m"
    control.skip("type")
    control.done()
    if lifetime not in _CACHES:
        raise BadRequest(f"{control.where('ttl')}: 5m or 1h is needed", field=control.where("ttl"))
    return lifetime


def _text(block: Fields, parts: list[Part]) -> None:
    text = block.text("text")
    cache = cache_of(block)
    if text:
        parts.append(Text(text, cache))
    if block.take("citations"):
        block.losses.lose(block.where("citations"))


def _image(block: Fields, parts: list[Part]) -> None:
    parts.append(_media(block, "image", cache_of(block)))


def _document(block: Fields, parts: list[Part]) -> None:
    cache, name = cache_of(block), block.text("title")
    citations = block.inner("citations")
    if citations is not None and citations.flag("enabled"):
        block.losses.lose(block.where("citations"))
    source = block.take("source")
    if isinstance(source, dict) and source.get("type") == "content":
        path = block.where("source.content")
        parts += _with_cache(read_blocks(source.get("content"), path, "document", block.losses), cache)
        if name:
            block.losses.lose(block.where("title"))
        return
    parts.append(replace(_media_of(Fields(source, block.where("source"), block.losses), "file", cache), name=name))


def _search_result(block: Fields, parts: list[Part]) -> None:
    """A passage that the caller found: its text stays, where it is from is said before it."""
    cache = cache_of(block)
    title, source = block.text("title"), block.text("source")
    found = read_blocks(block.take("content"), block.where("content"), "system", block.losses)
    head = f"{title} ({source})\n" if source else f"{title}\n" if title else ""
    if found and head:
        parts.append(Text(head))
    parts += _with_cache(found, cache)
    block.lose("citations")
    block.losses.lose(f"{block.path}.search_result")


def _with_cache(parts: tuple[Part, ...], cache: str) -> tuple[Part, ...]:
    last = parts[-1] if parts else None
    if cache and isinstance(last, Text | Media):
        return (*parts[:-1], replace(last, cache=cache))
    return parts


def _media(block: Fields, kind: str, cache: str) -> Media:
    return _media_of(Fields(block.take("source"), block.where("source"), block.losses), kind, cache)


def _media_of(source: Fields, kind: str, cache: str) -> Media:
    how = source.text("type")
    mime = source.text("media_type")
    match how:
        case "base64":
            media = Media(kind, mime, data=source.text("data"), cache=cache)
        case "text":
            data = base64.b64encode(source.text("data").encode("utf-8", "surrogatepass")).decode()
            media = Media(kind, mime or "text/plain", data=data, cache=cache)
        case "url":
            media = Media(kind, "application/pdf" if kind == "file" else "", url=source.text("url"), cache=cache)
        case "file":
            media = Media(kind, file_id=source.text("file_id"), cache=cache)
        case _:
            raise BadRequest(f"{source.where('type')}: base64, text, url or file is needed", field=source.where("type"))
    source.done()
    if not (media.data or media.url or media.file_id):
        raise MissingField(f"{source.path}: it holds nothing", field=source.path)
    return media


def _tool_use(block: Fields, parts: list[Part]) -> None:
    id, name = block.text("id"), block.text("name")
    for field, value in (("id", id), ("name", name)):
        if not value:
            raise MissingField(f"{block.where(field)}: a tool's call needs it", field=block.where(field))
    caller = block.inner("caller")
    if caller is not None and caller.text("type") not in ("", "direct"):
        block.losses.lose(block.where("caller"))
    parts.append(ToolUse(id, name, block.json("input") or "{}", cache=cache_of(block)))


def _tool_result(block: Fields, parts: list[Part]) -> None:
    id = block.text("tool_use_id")
    if not id:
        field = block.where("tool_use_id")
        raise MissingField(f"{field}: a result needs the id of its call", field=field)
    content = read_blocks(block.take("content"), block.where("content"), "result", block.losses)
    kept = tuple(part for part in content if isinstance(part, Text | Media))
    parts.append(ToolResult(id, kept, is_error=block.flag("is_error") is True, cache=cache_of(block)))


def _thinking(block: Fields, parts: list[Part]) -> None:
    text, signature = block.text("thinking"), block.text("signature")
    seal = unsealed(signature)
    if seal is not None:
        parts.append(Thinking(text, seal.signature, seal.redacted, provider=seal.provider))
    else:
        parts.append(Thinking(text, signature, provider=DIALECT if signature else ""))


def _redacted_thinking(block: Fields, parts: list[Part]) -> None:
    """The provider's own, another's under seal, or another's signature of the call before it."""
    data = block.text("data")
    seal = unsealed(data)
    if seal is None:
        parts.append(Thinking(redacted=data, provider=DIALECT))
    elif not seal.call:
        parts.append(Thinking("", seal.signature, seal.redacted, provider=seal.provider))
    else:
        for at, part in enumerate(parts):
            if isinstance(part, ToolUse) and part.id == seal.call:
                parts[at] = replace(part, signature=seal.signature)


_READERS: dict[str, Callable[[Fields, list[Part]], None]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}

"""Reading and writing the content blocks of Bedrock's Converse: each is an object with one field, its kind.

A cache breakpoint is a block behind what it covers. Files come by their bytes or from S3, never from another address.
Source: the service model of bedrock-runtime, botocore 1.44.5.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate.arguments import arguments_of
from bursar.translate.citations import pieces_of
from bursar.translate.conversation import (
    Citation,
    Losses,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from bursar.translate.fields import Fields, json_text, list_of
from bursar.translate.messages_parts import Block, Breakpoints, solid
from bursar.translate.seal import Seal, sealed, unsealed

DIALECT = "bedrock-converse"

BESIDE_DOCUMENT = "."
"""A turn with a document must hold a text."""

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_DOCUMENTS = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
_VIDEOS = {kind: f"video/{kind}" for kind in ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv")}
_IMAGES = {kind: f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp")}
_AUDIO = {kind: f"audio/{kind}" for kind in ("wav", "mp3", "flac", "ogg", "aac", "opus", "m4a", "webm")}
_MIMES = {"image": _IMAGES, "document": _DOCUMENTS, "video": _VIDEOS, "audio": _AUDIO}
_KINDS = {"image": "image", "document": "file", "video": "file", "audio": "audio"}
_SAME = {"audio/mpeg": "audio/mp3", "audio/x-wav": "audio/wav", "video/quicktime": "video/mov"}


def read_blocks(value: Any, path: str, role: str, losses: Losses) -> tuple[Part, ...]:
    """The parts of a content. role: "user", "assistant", or "result" inside of a tool's."""
    parts: list[Part] = []
    for at, item in enumerate(list_of(value, path)):
        block = Fields(item, f"{path}[{at}]", losses)
        point = block.inner("cachePoint")
        if point is not None:
            cache_last(parts, point)
        text = block.text("text")
        if text:
            parts.append(Text(text))
        for kind in _MIMES:
            media = block.inner(kind)
            if media is not None and (role == "user" or (role == "result" and kind != "audio")):
                parts.append(_read_media(media, kind))
            elif media is not None:
                losses.lose(media.path)
        if role == "result":
            value = block.take("json")
            if value is not None:
                parts.append(Text(json_text(value)))
        else:
            _read_turn(block, role, parts)
        block.done()
    return tuple(parts)


def cache_last(parts: list[Any], point: Fields) -> None:
    """A breakpoint behind what stands before it."""
    lifetime = point.text("ttl") or "5m"
    point.skip("type")
    point.done()
    if lifetime not in ("5m", "1h"):
        raise BadRequest(f"{point.where('ttl')}: 5m or 1h is needed", field=point.where("ttl"))
    if parts and not isinstance(parts[-1], Thinking | Refusal):
        parts[-1] = replace(parts[-1], cache=lifetime)
    else:
        point.losses.lose(point.path)


def _read_turn(block: Fields, role: str, parts: list[Part]) -> None:
    """What stands in turns alone."""
    guarded = block.inner("guardContent")
    if guarded is not None:
        inner = guarded.inner("text")
        parts += [Text(inner.text("text"))] if inner is not None else []
        block.losses.lose(guarded.path)
    cited = block.inner("citationsContent")
    if cited is not None:
        pieces = [Fields(item, cited.where("content"), block.losses) for item in cited.items("content")]
        text = "".join([piece.text("text") for piece in pieces])
        parts += [Text(text)] if text else []
        cited.lose("citations")
        cited.done()
    thought, use, result = block.inner("reasoningContent"), block.inner("toolUse"), block.inner("toolResult")
    for place, one in (("assistant", thought), ("assistant", use), ("user", result)):
        if one is not None and role != place:
            raise BadRequest(f"{one.path}: it can't stand in the {role}'s turn", field=one.path)
    if thought is not None:
        _read_thought(thought, parts)
    if use is not None:
        id, name = _required(use, "toolUseId"), _required(use, "name")
        parts.append(ToolUse(id, name, use.json("input") or "{}"))
        use.done()
    if result is not None:
        path = result.where("content")
        content = read_blocks(result.take("content"), path, "result", block.losses)
        kept = tuple(part for part in content if isinstance(part, Text | Media))
        parts.append(ToolResult(_required(result, "toolUseId"), kept, is_error=result.text("status") == "error"))
        result.done()


def _required(fields: Fields, name: str) -> str:
    value = fields.text(name)
    if not value:
        raise MissingField(f"{fields.where(name)}: it is needed", field=fields.where(name))
    return value


def _read_thought(thought: Fields, parts: list[Part]) -> None:
    said, redacted = thought.inner("reasoningText"), thought.text("redactedContent")
    thought.done()
    if said is not None:
        text, signature = said.text("text"), said.text("signature")
        said.done()
        seal = unsealed(signature) or Seal(DIALECT if signature else "", signature)
        parts.append(Thinking(text, seal.signature, seal.redacted, provider=seal.provider))
    if not redacted:
        return
    sealed_one = unsealed_bytes(redacted) or Seal(DIALECT, redacted=redacted)
    if not sealed_one.call:
        parts.append(Thinking("", sealed_one.signature, sealed_one.redacted, provider=sealed_one.provider))
        return
    for at, part in enumerate(parts):
        if isinstance(part, ToolUse) and part.id == sealed_one.call:
            parts[at] = replace(part, signature=sealed_one.signature)


def unsealed_bytes(redacted: str) -> Seal | None:
    """The seal in an encrypted thought; None for the provider's own."""
    try:
        return unsealed(base64.b64decode(redacted).decode()) if redacted.startswith("YnVyc2Fy") else None
    except (binascii.Error, ValueError):
        return None


def sealed_bytes(seal: Seal) -> str:
    return base64.b64encode(sealed(seal).encode()).decode()


def _read_media(media: Fields, kind: str) -> Media:
    format, name = media.text("format"), media.text("name")
    for lost in ("context", "citations"):
        media.lose(lost)
    source = media.inner("source")
    media.done()
    if source is None:
        raise MissingField(f"{media.where('source')}: it is needed", field=media.where("source"))
    mime = _MIMES[kind].get(format, f"{kind}/{format}" if format and kind != "document" else "")
    place = source.inner("s3Location")
    data, text = source.text("bytes"), source.text("text")
    source.done()
    if place is not None:
        return Media(_KINDS[kind], mime, url=_required(place, "uri"), name=name)
    if text:
        data, mime = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(), "text/plain"
    if not data:
        raise MissingField(f"{source.path}: it holds nothing", field=source.path)
    return Media(_KINDS[kind], mime, data=data, name=name)


class Writing:
    """What one request's blocks must share: names of documents may not come twice."""

    def __init__(self, marks: Breakpoints, losses: Losses) -> None:
        self.marks = marks
        self.losses = losses
        self._names: set[str] = set()

    def marked(self, block: Block, cache: str) -> list[Block]:
        """A block and the breakpoint behind it."""
        if not self.marks.keeps(cache):
            return [block]
        return [block, {"cachePoint": {"type": "default", "ttl": "1h"} if cache == "1h" else {"type": "default"}}]

    def user_blocks(self, parts: Iterable[Part]) -> list[Block]:
        """A user's turn, tools' results first."""
        found: list[Block] = []
        for part in sorted(solid(parts, self.losses), key=lambda part: not isinstance(part, ToolResult)):
            match part:
                case Text() | Media():
                    found += self.marked(self._said(part), part.cache)
                case ToolResult():
                    found += self.marked({"toolResult": self._result(part)}, part.cache)
                case _:
                    raise BadRequest(f"a {part.__struct_config__.tag} can't stand in a user's turn", field="messages")
        if any("document" in block for block in found) and not any("text" in block for block in found):
            found.append({"text": BESIDE_DOCUMENT})
        return found

    def assistant_blocks(self, parts: Iterable[Part]) -> list[Block]:
        """A turn of the model's: thoughts that it didn't sign are lost."""
        found: list[Block] = []
        for part in solid(parts, self.losses):
            match part:
                case Text():
                    found += self.marked({"text": part.text}, part.cache)
                case Thinking(provider="bedrock-converse") if part.signature or part.redacted:
                    found.append(thought_block(part))
                case Thinking():
                    self.losses.lose("thinking")
                case ToolUse():
                    found += self.marked({"toolUse": use_of(part, self.losses)}, part.cache)
                    if part.signature:
                        self.losses.lose("tool_use.signature")
                case Media():
                    self.losses.lose(part.kind)
                case _:
                    raise BadRequest("a tool's result can't stand in the model's turn", field="messages")
        return found

    def _result(self, part: ToolResult) -> Block:
        content = [inner for inner in solid(part.content, self.losses) if isinstance(inner, Text | Media)]
        result: Block = {"toolUseId": tool_id(part.id), "content": [self._said(inner) for inner in content]}
        if any(self.marks.keeps(inner.cache) for inner in part.content):
            self.losses.lose("cache")
        if part.is_error:
            result["status"] = "error"
        return result

    def _said(self, part: Text | Media) -> Block:
        if isinstance(part, Text):
            return {"text": part.text}
        if part.detail:
            self.losses.lose("image.detail")
        mime = _SAME.get(part.mime, part.mime)
        for kind, mimes in _MIMES.items():
            format = next((format for format, known in mimes.items() if known == mime), "")
            if format and _KINDS[kind] == part.kind:
                block: Block = {"format": format, "source": _source(part)}
                if kind == "document":
                    block["name"] = self._name(part.name)
                return {kind: block}
        raise BadRequest(f"Bedrock takes no {part.kind} of type {part.mime[:64] or 'unknown'}", field="messages")

    def _name(self, name: str) -> str:
        """A document's name in the letters that are allowed, once."""
        plain = _NOT_IN_NAMES.sub("-", name).strip() or "document"
        found, count = plain, 1
        while found in self._names:
            count += 1
            found = f"{plain}-{count}"
        self._names.add(found)
        if name and found != name:
            self.losses.lose("file.name")
        return found


def _source(part: Media) -> Block:
    if part.data:
        return {"bytes": part.data}
    if part.url.startswith("s3://"):
        return {"s3Location": {"uri": part.url}}
    raise BadRequest("Bedrock takes files by their data or from S3, not from other addresses", field="messages")


def answer_blocks(parts: Iterable[Part], losses: Losses) -> list[Block]:
    """What the model said, for the caller: others' signatures go along under seal."""
    found: list[Block] = []
    for part in parts:
        match part:
            case Text():
                found += cited_blocks(part, losses)
            case Refusal():
                found.append({"text": part.text})
            case Thinking():
                found.append(thought_block(part))
            case ToolUse():
                use = use_of(part, losses)
                found.append({"toolUse": use})
                if part.signature:
                    found.append(signature_block(use["toolUseId"], part.signature))
            case Media() | ToolResult():
                losses.lose(part.kind if isinstance(part, Media) else "tool_result")
    return found


def cited_blocks(part: Text, losses: Losses) -> list[Block]:
    """A text, cut where its citations begin and end: a block is cited as a whole."""
    blocks: list[Block] = []
    for text, cited in pieces_of(part, losses):
        block: Block = {"text": text}
        if cited:
            block = {"citationsContent": {"content": [block], "citations": [passage(one) for one in cited]}}
        blocks.append(block)
    return blocks


def passage(citation: Citation) -> Block:
    found: Block = {"location": {"web": {"url": citation.url}}}
    if citation.title:
        found["title"] = citation.title
    if citation.quote:
        found["sourceContent"] = [{"text": citation.quote}]
    return found


def thought_block(part: Thinking) -> Block:
    is_own = part.provider in ("", DIALECT)
    if part.redacted:
        own = part.redacted if is_own else sealed_bytes(Seal(part.provider, part.signature, part.redacted))
        return {"reasoningContent": {"redactedContent": own}}
    said = {"text": part.text}
    if part.signature:
        said["signature"] = part.signature if is_own else sealed(Seal(part.provider, part.signature))
    return {"reasoningContent": {"reasoningText": said}}


def signature_block(id: str, signature: str) -> Block:
    """Behind a call: the signature that its provider (Gemini) wants back with it."""
    return {"reasoningContent": {"redactedContent": sealed_bytes(Seal("", signature, call=id))}}


def use_of(part: ToolUse, losses: Losses) -> Block:
    return {"toolUseId": tool_id(part.id), "name": part.name, "input": arguments_of(part.arguments, losses)}


def tool_id(id: str) -> str:
    """An id that the API takes; another's by its hash, the same each time."""
    return id if _ID.fullmatch(id) else f"tooluse_{xxh3_128_hexdigest(id.encode('utf-8', 'surrogatepass'))}"

"""Writing content blocks of Messages, as a request's and as an answer's.

The API refuses blocks of nothing but space, so such text joins the text beside it. It takes four cache breakpoints at
most. A tool's id must match `[A-Za-z0-9_-]+`; another's is told by its hash, the same each time.
Source: the documentation in the anthropic SDK 2.12.0; refusals recorded in public issue threads.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from bursar.domain.errors import BadRequest
from bursar.translate.arguments import arguments_of
from bursar.translate.citations import pieces_of
from bursar.translate.conversation import (
    Citation,
    Conversation,
    Losses,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
    Words,
)
from bursar.translate.messages_blocks import DIALECT
from bursar.translate.seal import Seal, sealed

Block = dict[str, Any]

BREAKPOINTS_MAX = 4
WEB_PASSAGE = "web_search_result_location"

_ID = re.compile(r"[A-Za-z0-9_-]+")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Breakpoints:
    """Cache breakpoints of one request, in the order of its prefix: tools, system, turns. The last ones are kept: each
    covers all before it."""

    def __init__(self, count: int, losses: Losses) -> None:
        self._surplus = count - BREAKPOINTS_MAX
        if self._surplus > 0:
            losses.lose("cache")

    def keeps(self, cache: str) -> bool:
        """Whether there is a breakpoint here, and it stays. To be asked once for each."""
        if cache:
            self._surplus -= 1
        return cache != "" and self._surplus < 0

    def mark(self, block: Block, cache: str) -> Block:
        """The block with its breakpoint, if it has one."""
        if self.keeps(cache):
            block["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}
        return block


def count_breakpoints(conversation: Conversation, messages: Iterable[Turn]) -> int:
    """All of a request, its turns `messages`: what `Breakpoints` must know before the first."""
    count = sum(bool(tool.cache) for tool in conversation.tools)
    count += sum(bool(text.cache) for text in conversation.system)
    for message in messages:
        for part in message.parts if type(message) is not Words else ():
            if isinstance(part, Thinking | Refusal):
                continue
            if part.cache:
                count += 1
            if isinstance(part, ToolResult):
                count += sum(bool(inner.cache) for inner in part.content)
    return count


def tool_id(id: str) -> str:
    """An id that the API takes."""
    return id if _ID.fullmatch(id) else f"toolu_{xxh3_128_hexdigest(id.encode('utf-8', 'surrogatepass'))}"


def solid(parts: Iterable[Part], losses: Losses) -> list[Part]:
    """The parts with texts that are only space joined to the text beside them; alone, they are lost."""
    parts = list(parts)
    if all([_is_solid(part) for part in parts]):  # noqa: C419  # as nearly always
        return parts
    found: list[Part] = []
    space = ""
    for part in parts:
        if isinstance(part, Refusal):
            losses.lose("refusal")
            part = Text(part.text)
        before = found[-1] if found else None
        if not isinstance(part, Text):
            if space:
                losses.lose("text")
            space = ""
        elif not part.text.strip():
            if isinstance(before, Text) and not before.cache:
                found[-1] = Text(before.text + part.text, part.cache)
            else:
                space += part.text
                if part.cache:
                    losses.lose("cache")
            continue
        elif space:
            part, space = replace(part, text=space + part.text), ""
        found.append(part)
    if space:
        losses.lose("text")
    return found


def _is_solid(part: Part) -> bool:
    return bool(part.text and not part.text.isspace()) if type(part) is Text else type(part) is not Refusal


def text_blocks(parts: Iterable[Text], marks: Breakpoints) -> list[Block]:
    return [marks.mark({"type": "text", "text": part.text}, part.cache) for part in parts]


def user_blocks(parts: Iterable[Part], marks: Breakpoints, losses: Losses) -> list[Block]:
    """A user's turn: the tools' results come first. Raises BadRequest for what the API can't take in."""
    blocks = []
    said = solid(parts, losses)
    if len(said) > 1:
        said.sort(key=lambda part: not isinstance(part, ToolResult))
    for part in said:
        match part:
            case Text() | Media():
                blocks.append(_said(part, marks, losses))
            case ToolResult():
                blocks.append(_tool_result(part, marks, losses))
            case _:
                raise BadRequest(f"a {part.__struct_config__.tag} can't stand in a user's turn", field="messages")
    return blocks


def assistant_blocks(parts: Iterable[Part], marks: Breakpoints, losses: Losses) -> list[Block]:
    """A turn of the model's, for the provider: thoughts that it didn't sign are lost."""
    blocks: list[Block] = []
    for part in solid(parts, losses):
        match part:
            case Text():
                blocks.append(marks.mark({"type": "text", "text": part.text}, part.cache))
            case Thinking(provider="anthropic-messages", redacted=redacted) if redacted:
                blocks.append({"type": "redacted_thinking", "data": redacted})
            case Thinking(provider="anthropic-messages", signature=signature) if signature:
                blocks.append({"type": "thinking", "thinking": part.text, "signature": signature})
            case Thinking():
                losses.lose("thinking")
            case ToolUse():
                blocks.append(marks.mark(tool_use_block(part, losses), part.cache))
                if part.signature:
                    losses.lose("tool_use.signature")
            case Media():
                losses.lose(part.kind)
            case _:
                raise BadRequest("a tool's result can't stand in the model's turn", field="messages")
    return blocks


def answer_blocks(parts: Iterable[Part], losses: Losses) -> list[Block]:
    """What the model said, for the caller: others' signatures go along under seal."""
    blocks: list[Block] = []
    for part in parts:
        match part:
            case Text():
                blocks += cited_blocks(part, losses)
            case Refusal():
                blocks.append({"type": "text", "text": part.text})
            case Thinking(redacted=redacted) if redacted:
                blocks.append({"type": "redacted_thinking", "data": signature_of(part)})
            case Thinking():
                blocks.append({"type": "thinking", "thinking": part.text, "signature": signature_of(part)})
            case ToolUse():
                block = tool_use_block(part, losses)
                blocks.append(block)
                if part.signature:
                    blocks.append(signature_block(block["id"], part.signature))
            case Media():
                losses.lose(part.kind)
            case ToolResult():
                losses.lose("tool_result")
    return blocks


def cited_blocks(part: Text, losses: Losses) -> list[Block]:
    """A text, cut where its citations begin and end: a block is cited as a whole."""
    blocks: list[Block] = []
    for text, cited in pieces_of(part, losses):
        block: Block = {"type": "text", "text": text}
        blocks.append({**block, "citations": [passage(one) for one in cited]} if cited else block)
    return blocks


def passage(citation: Citation) -> Block:
    """The provider's own proof (`encrypted_index`) is nobody else's to give."""
    return {
        "type": WEB_PASSAGE,
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.quote,
        "encrypted_index": "",
    }


def signature_of(part: Thinking) -> str:
    """A thought's proof, or its encrypted form, as the caller of this dialect sees it."""
    proof = part.redacted or part.signature
    if not proof or part.provider in ("", DIALECT):
        return proof
    return sealed(Seal(part.provider, part.signature, part.redacted))


def signature_block(id: str, signature: str) -> Block:
    """Behind a call: the signature that its provider (Gemini) wants back with it."""
    return {"type": "redacted_thinking", "data": sealed(Seal("", signature, call=id))}


def tool_use_block(part: ToolUse, losses: Losses) -> Block:
    input = arguments_of(part.arguments, losses)
    return {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": input}


def _tool_result(part: ToolResult, marks: Breakpoints, losses: Losses) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": tool_id(part.id)}
    match part.content:
        case ():
            pass
        case (Text(cache="") as only,):  # as text it may be empty, or nothing but space
            block["content"] = only.text
        case _:
            content = [inner for inner in solid(part.content, losses) if isinstance(inner, Text | Media)]
            block["content"] = [_said(inner, marks, losses) for inner in content]
    if part.is_error:
        block["is_error"] = True
    return marks.mark(block, part.cache)


def _said(part: Text | Media, marks: Breakpoints, losses: Losses) -> Block:
    if isinstance(part, Text):
        return marks.mark({"type": "text", "text": part.text}, part.cache)
    return marks.mark(_media(part, losses), part.cache)


def _media(part: Media, losses: Losses) -> Block:
    if part.kind == "audio":
        raise BadRequest("an Anthropic model takes no audio", field="messages")
    if part.detail:
        losses.lose("image.detail")
    if part.kind == "image":
        if part.name:
            losses.lose("image.name")
        return {"type": "image", "source": _source(part, losses)}
    block: Block = {"type": "document", "source": _source(part, losses)}
    if part.name:
        block["title"] = part.name
    return block


def _source(part: Media, losses: Losses) -> Block:
    """Where the data is. Raises BadRequest for a kind of file that the API doesn't read."""
    if part.file_id:
        if not part.file_id.startswith("file_"):
            raise BadRequest(f"the file {part.file_id[:64]} is another provider's", field="messages")
        return {"type": "file", "file_id": part.file_id}
    if part.url:
        if not part.url.startswith(("https://", "http://")):
            raise BadRequest("an Anthropic model fetches files from https addresses only", field="messages")
        return {"type": "url", "url": part.url}
    if part.kind == "image" and part.mime not in _IMAGES:
        raise BadRequest(f"an Anthropic model takes {', '.join(_IMAGES)}, not {part.mime[:64]}", field="messages")
    if part.kind == "image" or part.mime == "application/pdf":
        return {"type": "base64", "media_type": part.mime, "data": part.data}
    if not part.mime.startswith("text/") and part.mime != "application/json":
        raise BadRequest(f"an Anthropic model takes PDF and text, not {part.mime[:64]}", field="messages")
    if part.mime != "text/plain":
        losses.lose("file.mime")
    try:
        text = base64.b64decode(part.data).decode()
    except (binascii.Error, ValueError) as error:
        raise BadRequest("a text file must be UTF-8, in base64", field="messages") from error
    return {"type": "text", "media_type": "text/plain", "data": text}

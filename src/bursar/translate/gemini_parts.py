"""Reading and writing the parts of Gemini's contents.

A call may come without an id: then it gets one by its place, and a result is matched by its id, or else by its name, in
order. Signatures are base64 in either alphabet; another provider's travel under seal. A signature on a text stands
behind it as a thought without words. Source: Vertex's discovery document, revision 20261106; google-genai 3.4.0.
"""

import base64
import binascii
import mimetypes
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate.arguments import arguments_of
from bursar.translate.conversation import Losses, Media, Part, Refusal, Text, Thinking, ToolResult, ToolUse
from bursar.translate.fields import Fields, json_text, object_of
from bursar.translate.gemini_schema import camel
from bursar.translate.seal import Seal, sealed, unsealed

Block = dict[str, Any]

UNSIGNED = "skip_thought_signature_validator"
"""Google's word for a call that it didn't sign itself, in its documentation of thought signatures: from Gemini 3 on,
the first call of a turn must have a signature."""

_URL_SAFE = str.maketrans("-_", "+/")


class GeminiFields(Fields):
    """An object of a request, whichever way its names are spelled."""

    __slots__ = ()

    def __init__(self, value: Any, path: str, losses: Losses) -> None:
        super().__init__({camel(name): inner for name, inner in object_of(value, path).items()}, path, losses)


class Calls:
    """The calls of a conversation in their order, for results that name theirs by the function alone."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[ToolUse] = []

    def new_id(self) -> str:
        """The id of a call that came without one: the same for the same conversation."""
        return f"call_{self._count}"

    def note(self, call: ToolUse) -> None:
        self._count += 1
        self._open.append(call)

    def answered(self, id: str, name: str) -> str:
        """The id of the call that this result is for."""
        for call in self._open:
            if call.id == id if id else call.name == name:
                self._open.remove(call)
                return call.id
        return id or f"call_of_{name}"


def read_parts(value: Any, path: str, role: str, dialect: str, calls: Calls, losses: Losses) -> tuple[Part, ...]:
    """The parts of a content. role: "user" or "assistant"."""
    parts: list[Part] = []
    for at, item in enumerate(value):
        part = GeminiFields(item, f"{path}[{at}]", losses)
        signature, is_thought = part.text("thoughtSignature"), part.flag("thought") is True
        text, call = part.take("text"), part.inner("functionCall")
        result, data, file = part.inner("functionResponse"), part.inner("inlineData"), part.inner("fileData")
        part.skip("partMetadata")
        if call is not None:
            if role != "assistant":
                raise BadRequest(f"{call.path}: a call can't stand in a user's turn", field=call.path)
            use = _read_call(call, "" if signature == UNSIGNED else signature, calls)
            calls.note(use)
            parts.append(use)
        elif result is not None:
            if role != "user":
                raise BadRequest(f"{result.path}: a result can't stand in the model's turn", field=result.path)
            parts.append(_read_result(result, calls))
        elif data is not None:
            parts.append(_read_data(data))
        elif file is not None:
            parts.append(_read_file(file))
        elif text is not None:
            if not isinstance(text, str):
                raise BadRequest(f"{part.where('text')}: a text is needed", field=part.where("text"))
            add_text(parts, text, signature, dialect, is_thought=is_thought)
        elif signature:
            add_text(parts, "", signature, dialect, is_thought=is_thought)
        part.done()
    return tuple(parts)


def add_text(parts: list[Part], text: str, signature: str, dialect: str, *, is_thought: bool) -> None:
    """A text or a thought, and the signature it came with. What was streamed comes back in pieces: the pieces of a
    thought are one again, which the signature behind them proves."""
    if not is_thought and text:
        parts.append(Text(text))
        text = ""
    if signature == UNSIGNED:
        signature = ""
    if not text and not signature:
        return
    seal = unsealed_bytes(signature) or Seal(dialect if signature else "", signature)
    last = parts[-1] if parts else None
    if isinstance(last, Thinking) and not (last.signature or last.redacted or seal.redacted):
        text = last.text + text
        parts.pop()
    parts.append(Thinking(text, seal.signature, seal.redacted, provider=seal.provider))


def unsealed_bytes(signature: str) -> Seal | None:
    """The seal in a signature; None for Google's own."""
    if not signature.startswith("YnVyc2Fy"):  # "bursar", in base64
        return None
    try:
        return unsealed(base64.b64decode(signature.translate(_URL_SAFE)).decode())
    except (binascii.Error, ValueError):
        return None


def signature_of(part: Thinking, dialect: str) -> str:
    """A thought's proof as the caller of this dialect sees it: base64, as Google's."""
    if not part.redacted and (not part.signature or part.provider in ("", dialect)):
        return part.signature
    return base64.b64encode(sealed(Seal(part.provider, part.signature, part.redacted)).encode()).decode()


def _read_call(call: GeminiFields, signature: str, calls: Calls) -> ToolUse:
    name = call.text("name")
    if not name:
        raise MissingField(f"{call.where('name')}: a call needs a name", field=call.where("name"))
    use = ToolUse(call.text("id") or calls.new_id(), name, call.json("args") or "{}", signature)
    call.done()
    return use


def _read_result(result: GeminiFields, calls: Calls) -> ToolResult:
    name = result.text("name")
    id = calls.answered(result.text("id"), name)
    response = object_of(result.take("response") or {}, result.where("response"))
    is_error = list(response) == ["error"]
    content: list[Text | Media] = []
    if is_error or list(response) == ["output"]:
        said = response["error" if is_error else "output"]
        for item in said if isinstance(said, list) else [said]:
            text = item if isinstance(item, str) else json_text(item)
            content += [Text(text)] if text else []
    elif response:
        content.append(Text(json_text(response)))
    for at, item in enumerate(result.items("parts")):
        part = GeminiFields(item, f"{result.where('parts')}[{at}]", result.losses)
        data, file = part.inner("inlineData"), part.inner("fileData")
        if data is not None:
            content.append(_read_data(data))
        elif file is not None:
            content.append(_read_file(file))
        part.done()
    result.done()
    return ToolResult(id, tuple(content), name, is_error)


def _read_data(data: GeminiFields) -> Media:
    mime = data.text("mimeType")
    content = data.text("data")
    if not content:
        raise MissingField(f"{data.where('data')}: it holds nothing", field=data.where("data"))
    if "-" in content or "_" in content:  # Google's clients write it so; nobody else reads it
        content = content.translate(_URL_SAFE)
    media = Media(kind_of(mime), mime, data=content, name=data.text("displayName"))
    data.done()
    return media


def _read_file(file: GeminiFields) -> Media:
    mime, url = file.text("mimeType"), file.text("fileUri")
    if not url:
        raise MissingField(f"{file.where('fileUri')}: it holds nothing", field=file.where("fileUri"))
    media = Media(kind_of(mime), mime, url=url, name=file.text("displayName"))
    file.done()
    return media


def kind_of(mime: str) -> str:
    head = mime.partition("/")[0]
    return head if head in ("image", "audio") else "file"


def user_parts(parts: list[Part], names: dict[str, str], losses: Losses) -> list[Block]:
    """A user's turn: results first, as the provider wants them behind the turn with the calls."""
    found: list[Block] = []
    for part in sorted(parts, key=lambda part: not isinstance(part, ToolResult)):
        match part:
            case Text():
                found += [{"text": part.text}] if part.text else []
            case Media():
                found.append(_media(part, losses))
            case ToolResult():
                found.append(_result(part, names, losses))
            case _:
                raise BadRequest(f"a {part.__struct_config__.tag} can't stand in a user's turn", field="messages")
    return found


def model_parts(parts: list[Part], dialect: str, *, must_sign: bool, losses: Losses) -> list[Block]:
    """A turn of the model's, for the provider: thoughts that it didn't sign are lost."""
    found: list[Block] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                if isinstance(part, Refusal):
                    losses.lose("refusal")
                found += [{"text": part.text}] if part.text else []
            case Thinking(provider=provider, signature=signature) if signature and provider == dialect:
                found.append(_thought(part.text, signature))
            case Thinking():
                losses.lose("thinking")
            case ToolUse():
                is_first = not any("functionCall" in block for block in found)
                signature = part.signature or (UNSIGNED if must_sign and is_first else "")
                found.append(call_block(part, signature, losses))
            case Media():
                found.append(_media(part, losses))
            case _:
                raise BadRequest("a tool's result can't stand in the model's turn", field="messages")
    return found


def answer_parts(parts: tuple[Part, ...], dialect: str, losses: Losses) -> list[Block]:
    """What the model said, for the caller: others' signatures go along under seal."""
    found: list[Block] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                found.append({"text": part.text})
            case Thinking():
                found.append(_thought(part.text, signature_of(part, dialect)))
            case ToolUse():
                found.append(call_block(part, part.signature, losses))
            case Media():
                found.append(_media(part, losses))
            case ToolResult():
                losses.lose("tool_result")
    return found


def call_block(part: ToolUse, signature: str, losses: Losses) -> Block:
    call = {"id": part.id, "name": part.name, "args": arguments_of(part.arguments, losses)}
    return {"functionCall": call, "thoughtSignature": signature} if signature else {"functionCall": call}


def _thought(text: str, signature: str) -> Block:
    block: Block = {"text": text}
    if text:
        block["thought"] = True
    if signature:
        block["thoughtSignature"] = signature
    return block


def _result(part: ToolResult, names: dict[str, str], losses: Losses) -> Block:
    name = names.get(part.id) or part.name
    if not name:
        raise BadRequest(f"no call before has the id {part.id[:64]!r} of this result", field="messages")
    texts = [inner.text for inner in part.content if isinstance(inner, Text)]
    said: Any = texts[0] if len(texts) == 1 else texts or ""
    response: Block = {"id": part.id, "name": name, "response": {"error" if part.is_error else "output": said}}
    media = [_media(inner, losses) for inner in part.content if isinstance(inner, Media)]
    if media:
        response["parts"] = media
    return {"functionResponse": response}


def _media(part: Media, losses: Losses) -> Block:
    if part.file_id:
        raise BadRequest(f"the file {part.file_id[:64]} is another provider's", field="messages")
    if part.detail:
        losses.lose("image.detail")
    mime = part.mime or mimetypes.guess_type(urlsplit(part.url).path)[0] or ""
    named = {"displayName": part.name} if part.name else {}
    typed = {"mimeType": mime} if mime else {}
    if part.url:
        return {"fileData": {**typed, "fileUri": part.url, **named}}
    if not mime:
        raise BadRequest("Gemini must be told the type of a file", field="messages")
    return {"inlineData": {**typed, "data": part.data, **named}}


def raw(text: str) -> msgspec.Raw:
    """JSON that is written as it came."""
    return msgspec.Raw(text.encode())

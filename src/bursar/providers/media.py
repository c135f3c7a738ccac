"""What a request carries beside text, in all dialects: images, recordings, files.

The first read of a request says at no cost worth naming whether there may be any: its decoder (`TextParts`) knows only
the parts that are text and fails at the first other one. Such a request is then walked here, once. A part that isn't
known stays what it was: bytes, each of which counts as a token at most.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from bursar.domain.media import Media, MediaKind
from bursar.providers.media_bytes import audio_seconds, decoded_bytes, image_size, pdf_pages
from bursar.providers.reading import UNREADABLE, decode_answer, decode_request

PARTS_MAX = 10_000  # looked at; a request has no more parts that a provider would take
_WALKED = ("messages", "input", "system", "prompt")
_WALKED_GOOGLE = ("contents", "content", "requests", "systemInstruction", "system_instruction")
_GOOGLE_MARKS = (b'"inlineData"', b'"inline_data"', b'"fileData"', b'"file_data"')
_BEDROCK_MARKS = (b'"bytes"', b'"s3Location"')
_ESCAPED_NAME = re.compile(rb'"[^"\\]*\\u[^"]*"\s*:')
_PDF = "application/pdf"

_BEDROCK_KINDS = {
    "image": MediaKind.IMAGE,
    "document": MediaKind.FILE,
    "audio": MediaKind.AUDIO,
    "video": MediaKind.FILE,
}
_TEXT_FORMATS = {"txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html"}


class _Named(msgspec.Struct, gc=False):
    type: Any = None
    id: Any = None
    audio: Any = None
    content: msgspec.Raw = msgspec.Raw()


class _Naming(msgspec.Struct, gc=False):
    input: list[_Named] | str | None = None
    messages: list[_Named] | None = None


_NAMING = msgspec.json.Decoder(_Naming)

T = TypeVar("T")

TextKind = Literal[
    "text",
    "input_text",
    "output_text",
    "refusal",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_search_result",
    "summary_text",
    "reasoning_text",
    "tool_reference",
]


class TextPart(msgspec.Struct, gc=False):
    """A part that is text, or holds only such."""

    type: TextKind
    content: "str | list[TextPart] | None" = None


class TextMessage(msgspec.Struct, gc=False):
    """A message of chat completions or of Messages. audio: of an earlier answer, by its id."""

    content: str | list[TextPart] | None = None
    audio: None = None


class TextItem(msgspec.Struct, gc=False):
    """An item of a Responses input."""

    type: Literal[
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "web_search_call",
    ] = "message"
    content: str | list[TextPart] | None = None
    output: str | list[TextPart] | None = None


def decode_with_media(
    text_only: msgspec.json.Decoder[Any], decoder: msgspec.json.Decoder[T], body: bytes
) -> tuple[T, tuple[Media, ...], int]:
    """The fields we need of a request; its parts that aren't text, and how many bytes of the body are their data.

    text_only: for the same fields and the messages, of a type that holds text alone. Raises like `decode_request`.
    """
    try:
        seen: T = text_only.decode(body)
    except UNREADABLE:
        return decode_request(decoder, body), *media_in(body)
    return seen, (), 0


def media_of_gemini(body: bytes) -> tuple[tuple[Media, ...], int]:
    """The same of a Gemini request, whose parts are known by their field. Costs a look where all is text."""
    return media_in(body, _WALKED_GOOGLE) if _may_have(body, _GOOGLE_MARKS) else ((), 0)


def media_of_bedrock(body: bytes) -> tuple[tuple[Media, ...], int]:
    """The same of a Converse request."""
    return media_in(body) if _may_have(body, _BEDROCK_MARKS) else ((), 0)


def _may_have(body: bytes, marks: tuple[bytes, ...]) -> bool:
    """Whether one of these names stands in a body. A name that is written with escapes may be any."""
    return any(mark in body for mark in marks) or (b"\\u" in body and _ESCAPED_NAME.search(body) is not None)


def media_in(body: bytes, walked: tuple[str, ...] = _WALKED) -> tuple[tuple[Media, ...], int]:
    """All parts of a request that aren't text, in no order, and the bytes that their data takes."""
    try:
        whole = msgspec.json.decode(body)
    except UNREADABLE:
        return (), 0
    left: list[Any] = [whole.get(name) for name in walked] if isinstance(whole, dict) else []
    parts: list[Media] = []
    data_bytes = 0
    while left and len(parts) < PARTS_MAX:
        seen = left.pop()
        if isinstance(seen, list):
            left += seen
        elif isinstance(seen, dict):
            part = _part(seen)
            if part is None:
                left += [value for value in seen.values() if isinstance(value, dict | list)]
            else:
                parts.append(part[0])
                data_bytes += part[1]
    return tuple(parts), data_bytes


def names_kept(body: bytes) -> bool:
    """Whether a request names something that its provider kept and puts before it: an item of an earlier answer in
    Responses, the sound of one in chat."""
    seen = decode_answer(_NAMING, body)
    if seen is None:
        return False
    items = seen.input if isinstance(seen.input, list) else []
    messages = seen.messages if isinstance(seen.messages, list) else []
    return any(
        item.type == "item_reference" or (item.type is None and isinstance(item.id, str) and not bytes(item.content))
        for item in items
    ) or any(isinstance(message.audio, dict) and "id" in message.audio for message in messages)


def _part(seen: Mapping[str, Any]) -> tuple[Media, int] | None:
    """The part that an object is, and the size of its data; None if it is none that isn't text."""
    kind = seen.get("type")
    if kind is None:
        return _of_bedrock(seen) or _of_gemini(seen)
    if kind in ("image_url", "input_image", "computer_screenshot"):
        return _image_at(seen)
    if kind in ("image", "document"):
        return _source(seen, is_image=kind == "image")
    if kind == "image_generation_call":
        return _data(seen.get("result"), "image/", "")
    if kind == "input_audio":
        audio = seen.get("input_audio")
        return _audio(audio) if isinstance(audio, dict) else None
    if kind == "file":
        file = seen.get("file")
        return _file(file) if isinstance(file, dict) else None
    if kind == "input_file":
        return _file(seen)
    if kind in ("video_url", "audio_url"):
        return Media(MediaKind.FILE), 0
    return None


def _of_gemini(seen: Mapping[str, Any]) -> tuple[Media, int] | None:
    """A part with data in it, or the address of some."""
    inline = seen.get("inlineData") or seen.get("inline_data")
    if isinstance(inline, dict):
        return _data(inline.get("data"), _text(inline.get("mimeType") or inline.get("mime_type")), "")
    file = seen.get("fileData") or seen.get("file_data")
    if not isinstance(file, dict):
        return None
    media_type = _text(file.get("mimeType") or file.get("mime_type"))
    if media_type.startswith("image/"):
        return _unknown(""), 0
    return Media(MediaKind.PDF if media_type == _PDF else MediaKind.FILE), 0


def _of_bedrock(seen: Mapping[str, Any]) -> tuple[Media, int] | None:
    """Converse's block, known by its field: data in it, or its place in S3. A document that is text is walked."""
    for field, kind in _BEDROCK_KINDS.items():
        block = seen.get(field)
        source = block.get("source") if isinstance(block, dict) else None
        if isinstance(block, dict) and isinstance(source, dict) and ("bytes" in source or "s3Location" in source):
            form = _text(block.get("format")).lower()
            media_type = _PDF if form == "pdf" else _TEXT_FORMATS.get(form, f"{field}/{form}")
            if "bytes" in source:
                return _data(source["bytes"], media_type, "")
            return Media(MediaKind.PDF if form == "pdf" else kind), 0
    return None


def _image_at(seen: Mapping[str, Any]) -> tuple[Media, int] | None:
    """An image by its address, which may be its data, or by the id of a file."""
    image = seen.get("image_url")
    url, detail = (image.get("url"), image.get("detail")) if isinstance(image, dict) else (image, None)
    detail = _text(detail) or _text(seen.get("detail"))
    if isinstance(url, str) and url.startswith("data:"):
        return _data(url, "image/", detail)
    return Media(MediaKind.IMAGE, detail=detail), 0


def _source(seen: Mapping[str, Any], *, is_image: bool) -> tuple[Media, int] | None:
    """Anthropic's image or document. One that is text, or holds more parts, is walked like any object."""
    source = seen.get("source")
    if not isinstance(source, dict) or source.get("type") in ("text", "content"):
        return None
    if source.get("type") == "base64":
        return _data(source.get("data"), _text(source.get("media_type")) or ("image/" if is_image else _PDF), "")
    return Media(MediaKind.IMAGE if is_image else MediaKind.PDF), 0


def _audio(audio: Mapping[str, Any]) -> tuple[Media, int]:
    data = _text(audio.get("data"))
    return Media(MediaKind.AUDIO, seconds=audio_seconds(data, _text(audio.get("format")))), len(data)


def _file(file: Mapping[str, Any]) -> tuple[Media, int]:
    data = file.get("file_data")
    if not isinstance(data, str):
        return Media(MediaKind.PDF if _names_pdf(file) else MediaKind.FILE), 0
    return _data(data, _PDF if _names_pdf(file) else "", "")


def _data(data: Any, media_type: str, detail: str) -> tuple[Media, int]:
    """A part whose data is in the request: base64, maybe with its type before it."""
    text = _text(data)
    size = len(text)
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        media_type = head[5:].partition(";")[0] or media_type
    if media_type.startswith("image/"):
        width, height = image_size(text)
        return (Media(MediaKind.IMAGE, width, height, detail) if width and height else _unknown(detail)), size
    if media_type.startswith("audio/"):
        return Media(MediaKind.AUDIO, seconds=audio_seconds(text, media_type[6:])), size
    if media_type == _PDF:
        return Media(MediaKind.PDF, pages=pdf_pages(text)), size
    is_text = media_type.startswith("text/") or media_type == "application/json"
    return Media(MediaKind.FILE, text_bytes=decoded_bytes(text) if is_text else 0), size


def _unknown(detail: str) -> Media:
    return Media(MediaKind.IMAGE, detail=detail)


def _names_pdf(file: Mapping[str, Any]) -> bool:
    return _text(file.get("filename") or file.get("file_url")).lower().endswith(".pdf")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

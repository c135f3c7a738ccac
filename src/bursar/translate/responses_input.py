"""The `input` of OpenAI's Responses: items one after the other, read into turns.

Responses has no turns: a thought, a call and a text are items of their own. Neighbours of the assistant are one turn,
and so are neighbouring results of tools, as the dialects with turns want them.
"""

import re
from collections.abc import Iterator, Sequence

from bursar.domain.errors import BadRequest
from bursar.translate.conversation import Losses, Media, Message, Part, Text, ToolResult, ToolUse
from bursar.translate.responses_answer import sign_call
from bursar.translate.responses_items import ContentPart, Item, custom_arguments, said_parts, thought_of

_DATA_URL = re.compile(r"data:([^;,]{0,127})(?:;[^;,]{0,127}){0,4}?;base64,")
_TOLD_IN_TEXT = frozenset(
    {
        "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools",
        "mcp_call", "tool_search_call", "tool_search_output", "additional_tools",
    }
)  # fmt: skip
"""Hosted tools' items: the provider ran them, and the answer behind them says what they found."""

_MIME_OF_SUFFIX = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "txt": "text/plain",
}
_MIME_OF_FILES = "application/pdf"


class Turns:
    """A conversation as it is read. `system`: all its system and developer texts."""

    def __init__(self) -> None:
        self.system: list[Text] = []
        self._turns: list[tuple[str, list[Part]]] = []
        self._open = False  # whether the next item of the same role joins the last turn

    def say(self, role: str, parts: Sequence[Part]) -> None:
        """A turn of its own."""
        if parts:
            self._turns.append((role, list(parts)))
            self._open = False

    def add(self, role: str, parts: list[Part]) -> list[Part]:
        """More of a turn of items; all that it holds now."""
        if not self._open or self._turns[-1][0] != role:
            self._turns.append((role, []))
            self._open = True
        self._turns[-1][1].extend(parts)
        return self._turns[-1][1]

    def messages(self) -> Iterator[Message]:
        return (Message(role, tuple(parts)) for role, parts in self._turns if parts)

    @property
    def is_begun(self) -> bool:
        return bool(self._turns)


class InputReader:
    """Takes the items in their order."""

    def __init__(self, turns: Turns, losses: Losses) -> None:
        self._turns = turns
        self._losses = losses

    def take(self, item: Item, field: str) -> None:
        """Raises BadRequest for what can't be carried and would be missed. field: where it stands."""
        match item.type:
            case "message" | "" if item.role:
                self._message(item, field)
            case "function_call":
                self._call(item, item.arguments if isinstance(item.arguments, str) else None, field)
            case "custom_tool_call":
                self._losses.lose(f"{field}.custom_tool_call")
                self._call(item, custom_arguments(item.input) if isinstance(item.input, str) else None, field)
            case "function_call_output" | "custom_tool_call_output":
                content = self._output(item, field)
                self._turns.add("user", [ToolResult(_id(item, field), content, item.name or "")])
            case "reasoning":
                self._thought(item)
            case kind if kind in _TOLD_IN_TEXT:
                self._losses.lose(f"{field}.{kind}")
            case "item_reference":
                raise BadRequest(f"{field}: the item stands with another provider; send it whole", field=field)
            case kind:
                raise BadRequest(f"{field}: {kind[:64] or 'an item without a type'} can't be carried over", field=field)

    def _message(self, item: Item, field: str) -> None:
        if item.role == "assistant":
            parts = said_parts(item.content)
            if any(isinstance(part, Text) and part.citations for part in parts):
                self._losses.lose(f"{field}.annotations")
            said = [Text(part.text) if isinstance(part, Text) else part for part in parts]
            self._turns.add("assistant", list(said))
        elif item.role == "user":
            self._turns.say("user", self._content(item.content, f"{field}.content"))
        elif item.role in ("system", "developer"):
            self._system(item, field)
        else:
            raise BadRequest(f'{field}: role is "user", "assistant", "system" or "developer"', field=f"{field}.role")
        if item.phase:
            self._losses.lose(f"{field}.phase")

    def _system(self, item: Item, field: str) -> None:
        """Other dialects have one system prompt, in front: what stands further down is moved there."""
        for part in self._content(item.content, f"{field}.content"):
            if not isinstance(part, Text):
                raise BadRequest(f"{field}: a system prompt can only hold text", field=f"{field}.content")
            self._turns.system.append(part)
        if self._turns.is_begun:
            self._losses.lose(f"{field}.role")

    def _call(self, item: Item, arguments: str | None, field: str) -> None:
        if not item.name or arguments is None:
            raise BadRequest(f"{field}: a call needs a name and arguments, as text", field=field)
        self._turns.add("assistant", [ToolUse(_id(item, field), item.name, arguments or "{}")])

    def _thought(self, item: Item) -> None:
        thought = thought_of(item)
        parts = self._turns.add("assistant", [thought] if thought is not None else [])
        if thought is None:
            sign_call(item, parts)

    def _output(self, item: Item, field: str) -> tuple[Text | Media, ...]:
        if isinstance(item.output, dict) or item.output is None:
            raise BadRequest(f"{field}.output: text or a list of parts is needed", field=f"{field}.output")
        return tuple(self._content(item.output, f"{field}.output"))

    def _content(self, content: str | list[ContentPart] | None, field: str) -> list[Text | Media]:
        if isinstance(content, str):
            return [Text(content)] if content else []
        found = [self._part(part, f"{field}[{index}]") for index, part in enumerate(content or ())]
        return [part for part in found if not isinstance(part, Text) or part.text]

    def _part(self, part: ContentPart, field: str) -> Text | Media:
        cache = "5m" if part.prompt_cache_breakpoint else ""
        match part.type:
            case "input_text" | "text" | "output_text" if part.text is not None:
                return Text(part.text, cache)
            case "input_image":
                return self._image(part, field, cache)
            case "input_file":
                return self._file(part, field, cache)
            case "input_audio" if part.input_audio is not None:
                sound = part.input_audio
                return Media("audio", f"audio/{sound.format or 'wav'}", sound.data, cache=cache)
        raise BadRequest(f"{field}: {part.type[:64] or 'a part without a type'} can't be read", field=field)

    def _image(self, part: ContentPart, field: str, cache: str) -> Media:
        detail = "" if part.detail == "auto" else part.detail or ""
        if part.image_url and part.image_url.startswith("data:"):
            mime, data = data_of_url(part.image_url, f"{field}.image_url")
            return Media("image", mime, data, detail=detail, cache=cache)
        if not part.image_url and not part.file_id:
            raise BadRequest(f"{field}: an image needs image_url or file_id", field=field)
        url, file_id = (part.image_url, "") if part.image_url else ("", part.file_id or "")
        return Media("image", url=url, file_id=file_id, detail=detail, cache=cache)

    def _file(self, part: ContentPart, field: str, cache: str) -> Media:
        name = part.filename or ""
        detail = "" if part.detail == "auto" else part.detail or ""
        if part.file_data:
            mime, data = "", part.file_data
            if data.startswith("data:"):
                mime, data = data_of_url(data, f"{field}.file_data")
            mime = mime or _MIME_OF_SUFFIX.get(name.rpartition(".")[2].lower(), _MIME_OF_FILES)
            return Media("file", mime, data, name=name, detail=detail, cache=cache)
        if not part.file_url and not part.file_id:
            raise BadRequest(f"{field}: a file needs file_data, file_url or file_id", field=field)
        url, file_id = (part.file_url, "") if part.file_url else ("", part.file_id or "")
        return Media("file", url=url, file_id=file_id, name=name, detail=detail, cache=cache)


def data_of_url(url: str, field: str) -> tuple[str, str]:
    """(mime, base64) of a data address. Raises BadRequest: one that isn't base64 is no picture."""
    found = _DATA_URL.match(url)
    if found is None:
        raise BadRequest(f"{field}: a data address must be base64", field=field)
    return found[1], url[found.end() :]


def _id(item: Item, field: str) -> str:
    if not item.call_id:
        raise BadRequest(f"{field}: call_id is missing", field=f"{field}.call_id")
    return item.call_id

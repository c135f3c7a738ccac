"""Turns that alternate, as Anthropic and Bedrock want them, the user's first."""

from collections.abc import Callable
from typing import Any

from bursar.domain.errors import BadRequest
from bursar.translate.conversation import Part, Turn

Block = dict[str, Any]


def alternating(
    messages: tuple[Turn, ...], write: Callable[[str, list[Part]], list[Block]], opening: Block
) -> list[Block]:
    """Neighbours of one role joined. write: a role's parts as its blocks; opening: the user's turn where none is first.

    Raises BadRequest if nothing is left to answer.
    """
    joined: list[tuple[str, list[Part]]] = []
    for message in messages:
        if joined and joined[-1][0] == message.role:
            joined[-1][1].extend(message.parts)
        elif message.parts:
            joined.append((message.role, list(message.parts)))
    turns: list[Block] = []
    for role, parts in joined:
        blocks = write(role, parts)
        if blocks and turns and turns[-1]["role"] == role:  # what stood between them is lost
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise BadRequest("the conversation holds nothing to answer", field="messages")
    return turns if turns[0]["role"] == "user" else [opening, *turns]

"""Which part of which prompt breaks the provider's cache, and how many tokens behind it could have been read.

A series remembers the last few versions of its tools and system prompt, and the hashes of its conversations' messages.
A call that is like one of them but for one place is a break there: everything behind that place was sent as new.
"""

import msgspec

from bursar.gateway.prompt_cache.chunks import Version, difference, version_of
from bursar.gateway.prompt_cache.conversations import Conversations
from bursar.gateway.prompt_cache.pieces import Piece
from bursar.gateway.prompt_cache.policy import SYSTEM, TOOLS

VERSIONS_MAX = 4
PLACES_MAX = 8
PERIOD_US = 86_400_000_000  # what was found is told for this one and the one before
LOST_TOKENS_MIN = 256  # less is no cache anybody misses
ALIKE_SHARE = 0.5  # of the fixed part: less is another prompt
OTHER_PLACES = "others"


class Place(msgspec.Struct, kw_only=True):
    """One part that breaks it. part: tools, system[0], messages[2]. cause: time, id, number, text, whitespace,
    reordered, added, removed, trimmed.

    at_bytes: where in the part, of the last call, to within 64 bytes. lost_tokens: sent as new, and known but for it.
    """

    part: str
    cause: str
    calls: int = 0
    at_bytes: int = 0
    lost_tokens: int = 0


class Breaks(msgspec.Struct):
    """Of one series, since a time. broken: calls that had a break. places: beyond PLACES_MAX they are one."""

    since_us: int
    until_us: int = 0
    calls: int = 0
    tokens: int = 0
    broken: int = 0
    lost_tokens: int = 0
    places: list[Place] = []


class BreakFinder:
    """One series'."""

    def __init__(self, seed: int, now_us: int) -> None:
        self.found = Breaks(now_us)
        self.before: Breaks | None = None
        self._seed = seed
        self._versions: list[list[Version]] = []  # the newest last
        self._conversations = Conversations()

    def look(self, body: bytes, pieces: list[Piece], tokens: list[int], now_us: int) -> Place | None:
        """Learn a call's prompt; the break that it has, if it has one. tokens: of each piece."""
        if now_us - self.found.since_us >= PERIOD_US:
            self.before, self.found = self.found, Breaks(now_us)
        found = self.found
        found.until_us = now_us
        found.calls += 1
        found.tokens += sum(tokens)
        fixed = sum([piece.kind <= SYSTEM for piece in pieces])
        place = self._in_fixed(body, pieces[:fixed], tokens, pieces) if fixed else None
        place_after = self._in_conversation(pieces, fixed, tokens)
        place = place or place_after
        if place is not None:
            self._count(place)
        return place

    def _in_fixed(self, body: bytes, fixed: list[Piece], tokens: list[int], pieces: list[Piece]) -> Place | None:
        """A break in tools or system. This version is remembered, and the oldest forgotten."""
        own = [piece.own for piece in fixed]
        for index in range(len(self._versions) - 1, -1, -1):
            if [version.own for version in self._versions[index]] == own:
                self._versions.append(self._versions.pop(index))
                return None
        known = {version.own: version for versions in self._versions for version in versions}
        mine = [
            known.get(piece.own) or version_of(body[piece.start : piece.end], piece.own, self._seed) for piece in fixed
        ]
        like = max(self._versions, key=lambda versions: _leading(versions, mine), default=None)
        self._versions.append(mine)
        del self._versions[:-VERSIONS_MAX]
        return None if like is None else self._compare(body, like, mine, fixed, tokens, pieces)

    def _compare(
        self,
        body: bytes,
        like: list[Version],
        mine: list[Version],
        fixed: list[Piece],
        tokens: list[int],
        pieces: list[Piece],
    ) -> Place | None:
        index = _leading(like, mine)
        its = {version.own for version in like}
        after = sum([tokens[at] for at in range(index, len(fixed)) if mine[at].own in its])
        before = sum(tokens[:index])
        part = _part_of(fixed, min(index, len(fixed) - 1))
        cause, at_bytes, within = "removed", 0, 0
        if index < len(mine):
            cause = _order_of(like, mine, fixed, index)
            if not cause:
                piece = fixed[index]
                changed = difference(like[index], mine[index], body[piece.start : piece.end])
                cause, at_bytes = changed.cause, changed.at
                within = tokens[index] * changed.alike_after // max(1, piece.end - piece.start)
                before += tokens[index] * changed.at // max(1, piece.end - piece.start)
        after += within
        whole = sum(tokens[: len(fixed)])
        if before + after < ALIKE_SHARE * whole:
            return None
        known = self._conversations.known_first([piece.own for piece in pieces[len(fixed) :]])
        lost = after + sum(tokens[len(fixed) : len(fixed) + known])
        if lost < LOST_TOKENS_MIN:
            return None
        return Place(part=part, cause=cause, calls=1, at_bytes=at_bytes, lost_tokens=lost)

    def _in_conversation(self, pieces: list[Piece], fixed: int, tokens: list[int]) -> Place | None:
        """A message that is new, or not where it was, before messages that are known. The call's are remembered."""
        own = [piece.own for piece in pieces[fixed:]]
        change = self._conversations.look(own)
        if change is None:
            return None
        lost = sum([tokens[fixed + at] for at in change.known_after])
        after = sum(tokens[fixed + change.at :])
        if lost < LOST_TOKENS_MIN or lost < ALIKE_SHARE * after:
            return None
        return Place(part=f"messages[{change.at}]", cause=change.cause, calls=1, lost_tokens=lost)

    def _count(self, place: Place) -> None:
        self.found.broken += 1
        self.found.lost_tokens += place.lost_tokens
        add_place(self.found.places, place)


def add_place(places: list[Place], place: Place) -> None:
    """Count a place with those of its part and cause; beyond PLACES_MAX, with all the others."""
    same = next((one for one in places if one.part == place.part and one.cause == place.cause), None)
    if same is None and len(places) >= PLACES_MAX - 1:
        place = Place(part=OTHER_PLACES, cause="text", calls=place.calls, lost_tokens=place.lost_tokens)
        same = next((one for one in places if one.part == OTHER_PLACES), None)
    if same is None:
        places.append(msgspec.structs.replace(place))
        return
    same.calls += place.calls
    same.at_bytes = place.at_bytes
    same.lost_tokens += place.lost_tokens


def merged(found: list[Breaks]) -> Breaks:
    """Several periods, or several workers', of one series as one."""
    since_us = min(one.since_us for one in found)
    total = Breaks(since_us, max(one.until_us for one in found))
    for one in found:
        total.calls += one.calls
        total.tokens += one.tokens
        total.broken += one.broken
        total.lost_tokens += one.lost_tokens
        for place in one.places:
            add_place(total.places, place)
    total.places.sort(key=lambda place: -place.lost_tokens)
    return total


def _leading(one: list[Version], other: list[Version]) -> int:
    """How many pieces at the beginning are the same."""
    for index, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine.own != its.own:
            return index
    return min(len(one), len(other))


def _order_of(like: list[Version], mine: list[Version], fixed: list[Piece], index: int) -> str:
    """reordered, added or removed; "" if the piece itself has changed."""
    its = [version.own for version in like]
    own = [version.own for version in mine]
    if sorted(its) == sorted(own):
        return "reordered"
    if fixed[index].kind == TOOLS and its[index:].count(own[index]):
        return "removed" if len(own) < len(its) else "reordered"
    if index >= len(its) or its[index] in own[index:]:
        return "added"
    return ""


def _part_of(fixed: list[Piece], index: int) -> str:
    """tools[3], system[0]."""
    kind = fixed[index].kind
    first = next(at for at, piece in enumerate(fixed) if piece.kind == kind)
    return f"{'tools' if kind == TOOLS else 'system'}[{index - first}]"

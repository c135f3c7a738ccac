"""What a gateway worker knows of the control store: one immutable value, written by governance, read by every worker.

The file is msgpack, replaced atomically, so a reader sees one whole version or the other. A worker stat()s it and
reads it again when it changed.
"""

from pathlib import Path

import msgspec

from bursar.domain.caching import CacheRule
from bursar.domain.controls import Kill, Limit, Policy
from bursar.domain.routes import RouteRule, StoppedTrial
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution

SNAPSHOT_VERSION = 5


class KeyFacts(msgspec.Struct, frozen=True, array_like=True):
    """A virtual key, without the key."""

    credential_id: str  # "vk_" and 12 characters
    name: str
    scope: Scope
    defaults: Attribution  # what a call with this key is for, where the call doesn't say
    revoked: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """All keys that were ever given out; a revoked one stays, so that its refusal can say so.

    policies: those that are on; limits, kills: those in force. routes: those that are on, as they are asked.
    stopped: experiments of the settings file that go on no longer.
    cache_rules: those that are on, as they are asked: the first that matches decides.
    kept_spaces: of all cache rules that keep answers and weren't removed, on or off: id → when what it had kept was
    cleared last. Whatever else was kept may be forgotten. None: it isn't told.
    """

    published_us: int
    keys: dict[str, KeyFacts] = {}  # keyed hash of the key text (`hashing.keyed_hash`) → its facts
    policies: list[Policy] = []
    limits: list[Limit] = []
    kills: list[Kill] = []
    routes: list[RouteRule] = []
    stopped: list[StoppedTrial] = []
    cache_rules: list[CacheRule] = []
    kept_spaces: dict[str, int] | None = None
    version: int = SNAPSHOT_VERSION


def read_snapshot(path: Path) -> Snapshot:
    """Read a published snapshot. Raises OSError if there is none, msgspec.DecodeError if it is not one of ours."""
    return _DECODER.decode(path.read_bytes())


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The bytes of the snapshot's file."""
    return _ENCODER.encode(snapshot)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Snapshot] = msgspec.msgpack.Decoder(Snapshot)

"""Virtual keys: made once, shown once, known afterwards by a keyed hash.

A key says where its caller stands (scope) and what its calls are for when they don't say so themselves (defaults).
"""

import secrets
import string
from typing import NamedTuple

import msgspec
from sqlalchemy import Row, insert, select, update

from bursar.domain.clock import Clock
from bursar.domain.errors import BadRequest, NameTaken, UnknownKey
from bursar.domain.hashing import keyed_hash
from bursar.domain.ids import random_id
from bursar.domain.scope import Scope
from bursar.domain.snapshot import KeyFacts, Snapshot
from bursar.domain.tags import Attribution
from bursar.governance.audit import record_change
from bursar.governance.register import controls_in_force
from bursar.governance.schema import VIRTUAL_KEYS
from bursar.governance.store import ControlStore

KEY_PREFIX = "sk-bursar-"
KEY_CHARS = 43  # of 62: 256 bits
NAME_CHARS_MAX = 120
_BASE62 = string.ascii_letters + string.digits


class VirtualKey(msgspec.Struct, frozen=True):
    """What is kept of a key. Times are microseconds, UTC."""

    credential_id: str
    name: str
    last4: str
    scope: Scope
    defaults: Attribution
    created_us: int
    revoked_us: int | None

    @property
    def is_revoked(self) -> bool:
        return self.revoked_us is not None


class NewKey(NamedTuple):
    """A key just made, and its text: the only time that the text can be read."""

    key: VirtualKey
    text: str


class Keys:
    """The keys of a site. `secret`: the site's; without it no key can be recognised again."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def create(self, name: str, scope: Scope, defaults: Attribution, *, actor: str) -> NewKey:
        """Make a key. Raises BadRequest for a name nobody could read, NameTaken for one in use (revoked ones too)."""
        text = KEY_PREFIX + "".join(secrets.choice(_BASE62) for _ in range(KEY_CHARS))
        return self.adopt(random_id("vk_"), text, name, scope, defaults, actor=actor)

    def adopt(
        self, credential_id: str, text: str, name: str, scope: Scope, defaults: Attribution, *, actor: str
    ) -> NewKey:
        """Take in a key whose id and text are known already: what was charged to that id stays its own.

        text: begins with KEY_PREFIX, and is as hard to guess as one of `create`. Raises as `create` does.
        """
        name = name.strip()
        if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
            raise BadRequest(f"a key's name has 1 to {NAME_CHARS_MAX} printable characters", field="name")
        now_us = self._clock.now_us()
        key = VirtualKey(credential_id, name, text[-4:], scope, defaults, now_us, None)
        with self._store.writing() as connection:
            if connection.execute(select(VIRTUAL_KEYS.c.name).where(VIRTUAL_KEYS.c.name == name)).first():
                raise NameTaken(f"there is a key named {name!r} already (`bursar keys list --all`)", field="name")
            connection.execute(
                insert(VIRTUAL_KEYS).values(
                    credential_id=credential_id,
                    name=name,
                    key_hash=keyed_hash(self._secret, text.encode()),
                    last4=key.last4,
                    organization=scope.organization,
                    team=scope.team,
                    project=scope.project,
                    defaults=msgspec.json.encode(msgspec.structs.asdict(defaults)).decode(),
                    created_us=now_us,
                    revoked_us=None,
                )
            )
            detail = {"name": name, "last4": key.last4, "scope": str(scope)}
            record_change(
                connection,
                self._secret,
                at_us=now_us,
                actor=actor,
                action="key.create",
                subject=credential_id,
                detail=detail,
            )
        return NewKey(key, text)

    def revoke(self, name_or_id: str, *, actor: str) -> VirtualKey:
        """Refuse the key from now on; revoking it again changes nothing. Raises UnknownKey."""
        with self._store.writing() as connection:
            found = connection.execute(
                select(VIRTUAL_KEYS).where(
                    (VIRTUAL_KEYS.c.name == name_or_id) | (VIRTUAL_KEYS.c.credential_id == name_or_id)
                )
            ).first()
            if found is None:
                raise UnknownKey(f"no key is named {name_or_id!r} (`bursar keys list`)", field="name")
            key = _from_row(found)
            if key.is_revoked:
                return key
            now_us = self._clock.now_us()
            connection.execute(
                update(VIRTUAL_KEYS).where(VIRTUAL_KEYS.c.credential_id == key.credential_id).values(revoked_us=now_us)
            )
            record_change(
                connection,
                self._secret,
                at_us=now_us,
                actor=actor,
                action="key.revoke",
                subject=key.credential_id,
                detail={"name": key.name},
            )
        return msgspec.structs.replace(key, revoked_us=now_us)

    def all(self) -> list[VirtualKey]:
        """Every key ever made, oldest first, the revoked ones too."""
        with self._store.reading() as connection:
            rows = connection.execute(select(VIRTUAL_KEYS).order_by(VIRTUAL_KEYS.c.created_us)).all()
        return [_from_row(row) for row in rows]

    def snapshot(self) -> Snapshot:
        """What the gateway's workers need to know, as of now."""
        with self._store.reading() as connection:
            rows = connection.execute(select(VIRTUAL_KEYS)).all()
            in_force = controls_in_force(connection)
        facts = {}
        for row in rows:
            key = _from_row(row)
            facts[row.key_hash] = KeyFacts(key.credential_id, key.name, key.scope, key.defaults, key.is_revoked)
        return Snapshot(self._clock.now_us(), facts, **in_force)


def _from_row(row: Row[tuple[object, ...]]) -> VirtualKey:
    return VirtualKey(
        row.credential_id,
        row.name,
        row.last4,
        Scope(row.organization, row.team, row.project),
        Attribution(**msgspec.json.decode(row.defaults)),
        row.created_us,
        row.revoked_us,
    )

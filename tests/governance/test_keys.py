import sqlite3
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.budgets.tables import METADATA as BUDGET_TABLES
from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadRequest, NameTaken, UnknownKey
from bursar.domain.hashing import keyed_hash
from bursar.domain.scope import Scope
from bursar.domain.snapshot import read_snapshot
from bursar.domain.tags import Attribution
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.keys import KEY_CHARS, KEY_PREFIX, Keys
from bursar.governance.publish import publish_snapshot
from bursar.governance.schema import HEAD, METADATA
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
NOON_US = 1_760_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite")


@pytest.fixture
def keys(store: ControlStore) -> Keys:
    return Keys(store, SECRET, FixedClock(NOON_US))


def test_a_new_key_is_long_random_and_its_text_is_nowhere_on_disk(keys, tmp_path):
    first = keys.create("ci", Scope("acme"), Attribution(), actor="test")
    second = keys.create("app", Scope("acme"), Attribution(), actor="test")
    assert first.text.startswith(KEY_PREFIX)
    assert len(first.text) == len(KEY_PREFIX) + KEY_CHARS
    assert first.text != second.text
    publish_snapshot(tmp_path / "snapshot.msgpack", keys)
    for path in tmp_path.iterdir():
        assert first.text[len(KEY_PREFIX) :].encode() not in path.read_bytes(), path


def test_the_snapshot_finds_a_key_by_its_keyed_hash_with_scope_and_defaults(keys, tmp_path):
    scope = Scope("acme", "growth", "checkout")
    defaults = Attribution(feature="checkout", team="growth", tags={"release": "42"})
    made = keys.create("checkout-prod", scope, defaults, actor="test")
    publish_snapshot(tmp_path / "snapshot.msgpack", keys)
    facts = read_snapshot(tmp_path / "snapshot.msgpack").keys[keyed_hash(SECRET, made.text.encode())]
    assert facts.credential_id == made.key.credential_id
    assert (facts.name, facts.scope, facts.defaults, facts.revoked) == ("checkout-prod", scope, defaults, False)


def test_a_revoked_key_stays_in_the_snapshot_so_that_its_refusal_can_say_so(keys):
    made = keys.create("old", Scope("acme"), Attribution(), actor="test")
    assert keys.revoke("old", actor="test").is_revoked
    assert keys.revoke(made.key.credential_id, actor="test").is_revoked  # again, by its id: nothing changes
    (facts,) = keys.snapshot().keys.values()
    assert facts.revoked
    assert [key.revoked_us for key in keys.all()] == [NOON_US]


def test_a_name_is_taken_once_for_good(keys):
    keys.create("ci", Scope("acme"), Attribution(), actor="test")
    with pytest.raises(NameTaken):
        keys.create(" ci ", Scope("acme"), Attribution(), actor="test")
    keys.revoke("ci", actor="test")
    with pytest.raises(NameTaken):
        keys.create("ci", Scope("acme"), Attribution(), actor="test")


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "two\nlines", "bell\a"])
def test_a_name_nobody_could_read_is_refused(keys, name):
    with pytest.raises(BadRequest):
        keys.create(name, Scope("acme"), Attribution(), actor="test")


def test_revoking_a_key_that_never_was_says_so(keys):
    with pytest.raises(UnknownKey):
        keys.revoke("nobody", actor="test")


def test_every_change_is_in_the_audit_log_and_nothing_else(keys, store):
    made = keys.create("ci", Scope("acme", "core"), Attribution(), actor="ada")
    keys.revoke("ci", actor="bob")
    keys.revoke("ci", actor="bob")
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [(entry.number, entry.actor, entry.action, entry.subject) for entry in entries] == [
        (1, "ada", "key.create", made.key.credential_id),
        (2, "bob", "key.revoke", made.key.credential_id),
    ]
    assert made.text not in "".join(entry.detail for entry in entries)
    assert first_broken_entry(entries, SECRET) is None


def test_a_refused_change_leaves_no_audit_entry(keys, store):
    keys.create("ci", Scope("acme"), Attribution(), actor="ada")
    with pytest.raises(NameTaken):
        keys.create("ci", Scope("acme"), Attribution(), actor="ada")
    with store.reading() as connection:
        assert len(audit_entries(connection)) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"])
def test_the_store_itself_refuses_to_edit_the_audit_log(keys, tmp_path, statement):
    keys.create("ci", Scope("acme"), Attribution(), actor="ada")
    connection = sqlite3.connect(tmp_path / "control.sqlite")
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    finally:
        connection.close()


@given(victim=st.integers(0, 4), how=st.sampled_from(["alter", "remove", "swap"]))
@settings(max_examples=15, deadline=None)
def test_an_altered_removed_or_moved_entry_breaks_the_chain(tmp_path_factory, victim, how):
    store = ControlStore(tmp_path_factory.mktemp("chain") / "control.sqlite")
    keys = Keys(store, SECRET, FixedClock(NOON_US))
    for number in range(6):
        keys.create(f"key {number}", Scope(), Attribution(), actor="ada")
    with store.reading() as connection:
        entries = audit_entries(connection)
    if how == "alter":
        entries[victim] = msgspec.structs.replace(entries[victim], actor="eve")
    elif how == "remove":
        del entries[victim]
    else:
        entries[victim], entries[victim + 1] = entries[victim + 1], entries[victim]
    assert first_broken_entry(entries, SECRET) is not None


def test_the_migrations_end_at_the_tables_the_code_names(tmp_path):
    migrated = ControlStore(tmp_path / "control.sqlite")
    tables = METADATA.tables | BUDGET_TABLES.tables
    with migrated.reading() as connection:
        found = {name: [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({name})")] for name in tables}
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    assert found == {name: [column.name for column in table.columns] for name, table in tables.items()}
    assert revision == HEAD


def test_opening_the_store_again_changes_nothing_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "control.sqlite"
    Keys(ControlStore(path), SECRET, FixedClock(1)).create("ci", Scope(), Attribution(), actor="ada")
    assert [key.name for key in Keys(ControlStore(path), SECRET, FixedClock(2)).all()] == ["ci"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

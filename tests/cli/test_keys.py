import csv
import io
import json
import stat
from pathlib import Path

from bursar.domain.snapshot import read_snapshot

SAID = ("--team", "growth", "--feature", "checkout", "--tag", "release=42", "--tag", "agent=bot")


def test_a_key_is_shown_once_and_published_to_the_workers(bursar, tmp_path):
    made = bursar("keys", "create", "checkout", *SAID)
    assert made.code == 0
    key = made.out.strip()
    assert key.startswith("sk-bursar-")
    assert "can't be shown again" in made.err
    (facts,) = read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").keys.values()
    assert facts.scope.team == "growth"
    assert (facts.defaults.feature, facts.defaults.team, facts.defaults.agent) == ("checkout", "growth", "bot")
    assert facts.defaults.tags == {"release": "42"}
    for shown in (bursar("keys", "list"), bursar("keys", "list", "--format", "json"), bursar("keys", "list", "--all")):
        assert key not in shown.out
        assert key[-4:] in shown.out


def test_the_data_directory_is_for_its_owner_alone(bursar, tmp_path):
    bursar("keys", "create", "ci")
    data = tmp_path / "bursar-data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.rglob("*"):
        if path.is_file():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_revoked_key_is_gone_from_the_list_but_not_from_the_history(bursar, tmp_path):
    bursar("keys", "create", "old")
    assert bursar("keys", "revoke", "old").code == 0
    assert "no keys yet" in bursar("keys", "list").err
    rows = list(csv.DictReader(io.StringIO(bursar("keys", "list", "--all", "--format", "csv").out)))
    assert [row["name"] for row in rows] == ["old"]
    assert rows[0]["revoked_at"]
    (facts,) = read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").keys.values()
    assert facts.revoked


def test_json_has_the_key_itself_for_scripts(bursar):
    made = json.loads(bursar("keys", "create", "ci", "--format", "json").out)
    assert made["key"].startswith("sk-bursar-")
    assert made["last4"] == made["key"][-4:]


def test_what_cannot_be_done_is_wrong_usage(bursar):
    bursar("keys", "create", "ci")
    assert "[name_taken]" in bursar("keys", "create", "ci").err
    assert "[unknown_key]" in bursar("keys", "revoke", "nobody").err
    assert "[bad_tags]" in bursar("keys", "create", "other", "--tag", "novalue").err
    assert bursar("keys", "revoke", "nobody").code == 2


def test_no_file_but_the_snapshot_changes_when_keys_are_listed(bursar, tmp_path: Path):
    bursar("keys", "create", "ci")
    before = {path: path.read_bytes() for path in (tmp_path / "bursar-data").iterdir() if path.is_file()}
    bursar("keys", "list")
    assert {path: path.read_bytes() for path in before} == before

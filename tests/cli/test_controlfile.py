"""`bursar apply` and `bursar export`, as a person and a pipeline type them."""

import csv
import io
import json

from bursar.budgets.listing import decode_budgets
from bursar.domain.snapshot import read_snapshot

FILE = """budgets:
  engineering: {limit: 500.10, where: {team: core}}
limits:
  all: {concurrent: 9}
"""


def test_a_file_is_applied_and_the_workers_read_it(bursar, tmp_path):
    file = tmp_path / "bursar.yaml"
    file.write_text(FILE)
    tried = bursar("apply", "-f", str(file), "--dry-run")
    assert (tried.code, tried.out.splitlines()[:2]) == (1, ["+ budgets: engineering", "    limit: 500.1"])
    assert not (tmp_path / "bursar-data" / "budgets.msgpack").exists()
    done = bursar("apply", "-f", str(file))
    assert (done.code, done.err) == (0, "2 to create\n")
    (budget,) = decode_budgets((tmp_path / "bursar-data" / "budgets.msgpack").read_bytes())
    assert budget.limit.limit_pico == 500_100_000_000_000
    assert [limit.name for limit in read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").limits] == ["all"]
    same = bursar("apply", "-f", str(file), "--dry-run")
    assert (same.code, same.out, same.err) == (0, "", "no difference.\n")


def test_an_exported_file_differs_in_nothing(bursar, tmp_path):
    bursar("budgets", "create", "all", "--limit", "0.25", "--window", "rolling:24h", "--no-opening")
    bursar("policies", "add", "small", "--deny-model", "gpt-4o", "--off")
    bursar("keys", "create", "secret-key")
    exported = bursar("export")
    assert exported.code == 0
    assert "secret-key" not in exported.out
    file = tmp_path / "bursar.yaml"
    file.write_text(exported.out)
    assert bursar("apply", "-f", str(file), "--dry-run", "--prune").code == 0


def test_the_difference_is_told_to_machines_with_every_field(bursar, tmp_path):
    file = tmp_path / "bursar.yaml"
    file.write_text(FILE)
    bursar("apply", "-f", str(file))
    file.write_text(FILE.replace("500.10", "600").replace("  all: {concurrent: 9}", "  {}"))
    words = ("apply", "-f", str(file), "--dry-run", "--prune", "--format")
    assert json.loads(bursar(*words, "json").out) == [
        {"section": "budgets", "name": "engineering", "change": "change",
         "fields": {"limit": {"before": "500.1", "after": "600"}}},
        {"section": "limits", "name": "all", "change": "remove",
         "fields": {"concurrent": {"before": 9, "after": None}}},
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(bursar(*words, "csv").out)))
    assert [(row["field"], row["before"], row["after"]) for row in rows] == [
        ("limit", "500.1", "600"), ("concurrent", "9", ""),
    ]  # fmt: skip
    told = bursar(*words, "table").out
    assert "~ budgets: engineering\n    limit: 500.1 → 600\n− limits: all\n" in told


def test_a_file_that_cannot_be_used_is_refused_with_its_line(bursar, tmp_path):
    file = tmp_path / "bursar.yaml"
    file.write_text("limits:\n  all:\n    concurent: 9\n")
    refused = bursar("apply", "-f", str(file))
    assert (refused.code, "line 3: limits.all.concurent" in refused.err) == (2, True)
    assert "bad_control_file" in refused.err
    assert "can't read" in bursar("apply", "-f", str(tmp_path / "none.yaml")).err

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from bursar.config import load_config
from bursar.domain.cache_words import NOTHING, cache_phrases, span_words
from bursar.domain.caching import CacheTerms, ExactCaching, PromptCaching, SemanticCaching
from bursar.domain.display import THIN
from bursar.domain.snapshot import read_snapshot
from bursar.site import Site

DOCS = Path(__file__).parents[2] / "docs"


def rules(tmp_path: Path):
    """What the workers read."""
    return read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").cache_rules


def test_a_rule_made_on_the_command_line_is_what_the_workers_read(bursar, tmp_path):
    made = bursar(
        "caches", "set", "support", "--match", "feature=support", "--match", "tag:plan=pro", "--prompt", "1h",
        "--agents", "--exact-ttl", "30m", "--share", "team", "--with-tools", "--entry-bytes-max", "2000",
        "--semantic", "shadow", "--semantic-ttl", "7d", "--embedder", "local",
        "--similarity-min", "0.97", "--sample-percent", "5", "--position", "-2", "--format", "json",
    )  # fmt: skip
    assert made.code == 0, made.err
    (told,) = json.loads(made.out)
    (rule,) = rules(tmp_path)
    assert (rule.rule_id, rule.name, rule.is_on) == (told["id"], "support", True)
    assert rule.terms == CacheTerms(
        match={"feature": "support", "tag:plan": "pro"},
        position=-2,
        prompt=PromptCaching("1h", agents=True),
        exact=ExactCaching(1800, "team", with_tools=True, entry_bytes_max=2000),
        semantic=SemanticCaching("shadow", "local", 0.97, 7 * 86_400, "team", 5.0),
    )
    assert told["terms"]["exact"]["ttl_s"] == 1800
    assert rule.created_by.startswith("cli:")


def test_what_is_not_said_is_at_its_default_and_setting_again_says_all_anew(bursar, tmp_path):
    bursar("caches", "set", "one", "--exact-ttl", "1h", "--prompt", "auto", "--semantic", "shadow")
    (rule,) = rules(tmp_path)
    assert rule.terms == CacheTerms(prompt=PromptCaching(), exact=ExactCaching(), semantic=SemanticCaching())
    bursar("caches", "set", "one", "--prompt", "5m")
    (again,) = rules(tmp_path)
    assert (again.rule_id, again.terms) == (rule.rule_id, CacheTerms(prompt=PromptCaching("5m")))
    assert NOTHING in bursar("caches", "set", "one").out
    assert "off" in bursar("caches", "set", "one", "--off").out
    assert rules(tmp_path) == []


def test_a_rule_is_listed_in_deciding_order_switched_and_removed_by_its_name(bursar, tmp_path):
    bursar("caches", "set", "all", "--exact-ttl", "1h")
    bursar("caches", "set", "first", "--match", "feature=pay", "--position", "-1")
    rows = list(csv.DictReader(io.StringIO(bursar("caches", "list", "--format", "csv").out)))
    assert [(row["name"], row["match"], row["on"]) for row in rows] == [
        ("first", "feature=pay", "on"),
        ("all", "everything", "on"),
    ]
    assert json.loads(rows[1]["terms"]) == {"exact": {}}
    assert "is off" in bursar("caches", "off", "all").err
    assert [one.name for one in rules(tmp_path)] == ["first"]
    assert "is on" in bursar("caches", "on", rows[1]["id"]).err
    assert "answered again for 1 hour" in bursar("caches", "list").out
    for name in ("all", "first"):
        assert bursar("caches", "remove", name).code == 0
    assert "nothing is cached" in bursar("caches", "list").err
    assert "[unknown_control]" in bursar("caches", "remove", "all").err


def test_what_was_kept_is_cleared_of_one_rule_or_of_all(bursar, tmp_path):
    bursar("caches", "set", "one", "--exact-ttl", "1h")
    assert "no cache rules" not in bursar("caches", "set", "two", "--exact-ttl", "1h", "--off").err

    def cleared() -> list[bool]:
        return [one["cleared_at"] is not None for one in json.loads(bursar("caches", "list", "--format", "json").out)]

    assert cleared() == [False, False]
    assert "what cache rule one (ca_" in bursar("caches", "clear", "--rule", "one").err
    assert cleared() == [True, False]
    before = rules(tmp_path)[0].cleared_us
    assert "[unknown_control]" in bursar("caches", "clear", "--rule", "").err
    assert rules(tmp_path)[0].cleared_us == before
    assert "what 2 cache rules had kept is cleared" in bursar("caches", "clear").err
    assert cleared() == [True, True]
    assert rules(tmp_path)[0].cleared_us > before
    for name in ("one", "two"):
        bursar("caches", "remove", name)
    assert "nothing is kept" in bursar("caches", "clear").err


def test_a_stopped_rule_says_why_and_is_resumed(bursar, tmp_path):
    bursar("caches", "set", "prompts", "--prompt", "auto")
    controls = Site(load_config(env={})).controls()
    controls.caches.stop("prompts", "writes cost more than reads saved", actor="watch")
    controls.publish()
    assert "writes cost more than" in bursar("caches", "list").out
    assert rules(tmp_path)[0].stopped
    assert "stays stopped" in bursar("caches", "set", "prompts", "--prompt", "1h").err
    assert "is not stopped" in bursar("caches", "resume", "prompts").err
    assert rules(tmp_path)[0].stopped == ""
    assert "stopped" not in bursar("caches", "list").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--exact-ttl", "soon"), "write how long as"),
        (("--exact-ttl", "0s"), "1 to 2592000 seconds"),
        (("--exact-ttl", "31d"), "1 to 2592000 seconds"),
        (("--prompt", "2h"), "prompt.ttl"),
        (("--agents",), "--prompt"),
        (("--with-tools",), "--exact-ttl"),
        (("--share", "team"), "--exact-ttl"),
        (("--share", "world", "--exact-ttl", "1h"), "exact.share"),
        (("--similarity-min", "0.9"), "--semantic shadow"),
        (("--semantic", "perhaps"), "semantic.mode"),
        (("--semantic", "on", "--similarity-min", "0.2"), "from 0.5 to 1"),
        (("--semantic", "on", "--embedder", "ada"), "UPSTREAM/MODEL"),
        (("--position", "1000001"), "-1000000 to 1000000"),
        (("--match", "colour=red"), "tag:NAME"),
    ],
)
def test_a_mistake_says_what_to_write(bursar, words, said):
    told = bursar("caches", "set", "x", *words)
    assert told.code == 2
    assert "[bad_control]" in told.err
    assert said in told.err


WORDS = """
marks for the provider's cache, kept as long as its reuse pays, coding agents too
the same request is answered again for 90 seconds, within the organization, with tools too, answers up to 2.0 MB
a request that means the same (cosine from 0.9 by openai/small) is answered again for 1 day, within the project, but \
for 2.5 % to compare
"""
MEASURED = """
only measures whether a request that means the same (cosine from 0.95) could be answered again for 1 hour, for the \
same key
"""


def test_each_cache_is_told_in_words():
    assert cache_phrases(CacheTerms()) == [NOTHING]
    prompt, exact = PromptCaching(agents=True), ExactCaching(90, "organization", True, 2_000_000)
    semantic = SemanticCaching("on", "openai/small", 0.9, 86_400, "project", 2.5)
    told = cache_phrases(CacheTerms(prompt=prompt, exact=exact, semantic=semantic))
    assert [phrase.replace(THIN, " ") for phrase in told] == WORDS.strip().splitlines()
    assert cache_phrases(CacheTerms(semantic=SemanticCaching())) == MEASURED.strip().splitlines()
    assert [span_words(seconds) for seconds in (1, 60, 7_200, 172_800)] == ["1 second", "1 minute", "2 hours", "2 days"]


def test_the_commands_shown_in_the_docs_work(bursar):
    (shown,) = re.findall(r"```sh\n(.*?)```", (DOCS / "caches.md").read_text("utf-8"), re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in shown.splitlines()]
    assert len(lines) > 4
    for program, *words in lines:
        assert program == "bursar"
        told = bursar(*words)
        assert told.code == 0, (words, told.err)


def test_the_rules_shown_in_the_docs_can_be_applied(bursar, tmp_path):
    (shown,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "caches.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "caches.yaml").write_text(shown)
    assert bursar("apply", "-f", "caches.yaml").code == 0
    assert [one.name for one in rules(tmp_path)] == ["never-for-payments", "support-answers", "long-documents"]
    assert bursar("apply", "-f", "caches.yaml", "--dry-run", "--prune").code == 0

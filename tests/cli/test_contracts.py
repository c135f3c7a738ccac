"""`bursar contracts`, as a person types it."""

import json


def test_contracts_are_recorded_changed_shown_and_rated(bursar, tmp_path):
    data = str(tmp_path / "data")
    made = bursar(
        "contracts", "add", "acme-openai", "--provider", "openai", "--since", "2024-11-01", "--discount", "12.5",
        "--models", "gpt-5*", "--owner", "Ada", "--data", data,
    )  # fmt: skip
    assert made.code == 0
    assert "acme-openai" in made.err
    shown = bursar("contracts", "show", "acme-openai", "--data", data)
    terms = json.loads(shown.out)
    assert terms["discounts"] == [{"models": ["gpt-5*"], "percent": "12.5"}]
    file = tmp_path / "terms.json"
    file.write_text(json.dumps(terms | {"credits": [{"name": "c", "amount": "50", "granted": "2024-11-01"}]}))
    changed = bursar(
        "contracts", "change", "acme-openai", "--since", "2024-12-01", "--terms", str(file), "--why", "a gift",
        "--data", data,
    )  # fmt: skip
    assert changed.err.startswith("version 2 of contract acme-openai")
    again = ("contracts", "change", "acme-openai", "--since", "2025-01-01", "--data", data)
    assert bursar(*again, "--discount", "15", "--owner", "Grace").err.startswith("version 3")
    now = json.loads(bursar("contracts", "show", "acme-openai", "--data", data).out)
    assert now["discounts"] == [{"models": ["gpt-5*"], "percent": "15"}]
    assert (now["owner"], now["credits"][0]["name"]) == ("Grace", "c")
    assert "--discount" in bursar(*again).err
    listed = json.loads(bursar("contracts", "list", "--format", "json", "--data", data).out)
    assert [one["number"] for one in listed["contracts"][0]["versions"]] == [1, 2, 3]
    assert "credit c" in bursar("contracts", "list", "--data", data).out
    rated = json.loads(bursar("contracts", "rate", "--format", "json", "--data", data).out)
    assert [(one["contract"], one["entries"]) for one in rated] == [("acme-openai", 0)]
    assert "acme-openai" in bursar("contracts", "rate", "--data", data).out


def test_what_cannot_be_is_named_and_nothing_is_kept(bursar, tmp_path):
    data = str(tmp_path / "data")
    wrong = bursar("contracts", "add", "x", "--provider", "openai", "--since", "soon", "--data", data)
    assert (wrong.code, "since" in wrong.err) == (2, True)
    high = bursar("contracts", "add", "x", "--provider", "openai", "--since", "2026-11-01", "--discount", "101",
                  "--data", data)  # fmt: skip
    assert (high.code, "discounts[0].percent" in high.err) == (2, True)
    assert bursar("contracts", "show", "x", "--data", data).code == 2
    assert bursar("contracts", "own", "openai", "Ada", "--data", data).err.startswith("openai is owned by Ada")
    told = bursar("contracts", "negotiate", "--data", data)
    assert (told.code, "no vendor" in told.err) == (0, True)

"""What docs/ says is what the code does: every setting, error code, command and dependency, with its default."""

import importlib
import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

import bursar
from bursar.cli.main import COMMANDS, build_app
from bursar.config import Config, Upstream, load_config
from bursar.domain import errors

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def table_rows(page: str) -> list[list[str]]:
    """Cells of every table row on a page whose first cell is code: `` | `name` | … ``."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("| `")]
    return [[cell.strip("`") if cell.count("`") == 2 else cell for cell in row] for row in rows]


def settings(kind: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted names of all settings with their defaults; `msgspec.NODEFAULT` where one must be given."""
    for field in msgspec.structs.fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from settings(inner, f"{prefix}{field.name}.")
        elif field.name == "upstreams":
            yield from settings(Upstream, "upstreams.NAME.")
        else:
            default = (
                field.default_factory()
                if field.default is msgspec.NODEFAULT and callable(field.default_factory)
                else field.default
            )
            yield f"{prefix}{field.name}", default


def written(default: Any) -> str:
    return "required" if default is msgspec.NODEFAULT else json.dumps(default)


def test_every_setting_is_documented_with_its_default():
    documented = {row[0]: row[1] for row in table_rows("settings.md")}
    assert documented == {name: written(default) for name, default in settings(Config, "")}


def test_the_settings_file_shown_in_the_docs_can_be_used(tmp_path):
    shown = re.search(r"```toml\n(.*?)```", (DOCS / "settings.md").read_text("utf-8"), re.DOTALL)
    assert shown
    (tmp_path / "bursar.toml").write_text(shown[1])
    config = load_config(tmp_path / "bursar.toml", env={})
    assert config.gateway.workers == 4
    assert config.upstreams["groq"].models == ["llama-*", "qwen/*"]


def all_errors(kind: type[errors.BursarError] = errors.BursarError) -> Iterator[type[errors.BursarError]]:
    """Every error with a code of its own, wherever it is defined."""
    if "code" in vars(kind):
        yield kind
    for inner in kind.__subclasses__():
        yield from all_errors(inner)


def test_every_error_code_is_documented_with_its_status_and_whether_to_retry():
    for module in pkgutil.walk_packages(bursar.__path__, "bursar."):
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    documented = {row[0]: (row[1], row[2]) for row in table_rows("errors.md")}
    raised = {kind.code: (str(kind.status), "yes" if kind.retry else "no") for kind in all_errors()}
    assert documented == raised
    assert len(raised) == len(list(all_errors())), "two errors share a code"


def test_every_direct_dependency_is_documented_with_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    rows = table_rows("dependencies.md")
    assert {row[0] for row in rows} == {re.split(r"[<>=~!\[;]", name)[0].strip() for name in wanted}
    assert all(len(row[1]) > 10 for row in rows)


def commands() -> Iterator[tuple[str, Any]]:
    """Each command's full name with its parameters: `("keys create", …)`."""
    yield from _within("", typer.main.get_group(build_app()))


def _within(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _within(f"{prefix}{name} ", command)
        else:
            yield f"{prefix}{name}", command


COMMANDS_FOUND = dict(commands())


@pytest.mark.parametrize("name", COMMANDS_FOUND)
def test_every_command_is_documented_with_its_options(name):
    sections = re.split(r"^##+ ", (DOCS / "cli.md").read_text("utf-8"), flags=re.MULTILINE)
    found = [section for section in sections if section.startswith(f"bursar {name}\n")]
    assert len(found) == 1, f"docs/cli.md needs one section `bursar {name}`"
    for parameter in COMMANDS_FOUND[name].params:
        flag = max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.name.upper()
        assert f"`{flag}" in found[0] or flag == "--help", f"{flag} of `bursar {name}` is not in docs/cli.md"


def test_no_command_is_documented_that_does_not_exist():
    documented = re.findall(r"^##+ bursar (.+)$", (DOCS / "cli.md").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(documented) == sorted(COMMANDS_FOUND)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_docstring_says(name):
    command = typer.main.get_group(build_app()).commands[name]
    first_line = (command.help or "").splitlines()[0].split(": `")[0].rstrip(".")
    listed = COMMANDS[name].help.rstrip(".")
    if hasattr(command, "commands"):  # a group's own help may say less than its line in the list
        assert listed.startswith(first_line)
    else:
        assert listed == first_line


def links() -> Iterator[tuple[Path, str]]:
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            if "://" not in target:
                yield page, target


def test_every_link_between_pages_leads_somewhere():
    assert [f"{page.name}: {target}" for page, target in links() if not (page.parent / target).exists()] == []


def test_every_target_that_the_readme_names_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8")))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)

"""The layout of src/bursar, held: who may import whom, no cycles, no big modules, imports at the top.

LAYERS is the table of the project's style guide, with the packages that exist. Arrows point down only.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src"
PACKAGE = ROOT / "bursar"
LINES_MAX = 400

BELOW_SITE = {
    "advisor", "cache", "semantic", "gateway", "alerts", "budgets", "forecast", "explore", "ledger", "spool",
    "governance", "providers", "prices", "simulate", "translate", "controlfile", "quality", "watch", "reviews",
    "maturity", "finance", "reports", "domain",
}  # fmt: skip
LAYERS: dict[str, set[str]] = {
    "domain": set(),
    "cache": {"domain"},
    "quality": {"domain"},
    "semantic": {"domain"},
    "simulate": {"domain"},
    "prices": {"domain"},
    "providers": {"domain"},
    "translate": {"providers", "domain"},
    "governance": {"budgets", "domain"},
    "budgets": {"prices", "domain"},
    "spool": {"domain"},
    "ledger": {"spool", "prices", "domain"},
    "explore": {"ledger", "domain"},
    "advisor": {"explore", "ledger", "prices", "domain"},
    "forecast": {"explore", "ledger", "domain"},
    "reviews": {"explore", "finance", "domain"},
    "alerts": {"explore", "ledger", "governance", "budgets", "watch", "finance", "domain"},
    "maturity": {"explore", "ledger", "governance", "budgets", "alerts", "finance", "domain"},
    "watch": {"explore", "ledger", "domain"},
    "finance": {"forecast", "explore", "ledger", "governance", "budgets", "prices", "domain"},
    "reports": {"finance", "reviews", "advisor", "watch", "forecast", "explore", "ledger", "governance", "domain"},
    "controlfile": {"alerts", "governance", "budgets", "domain"},
    "gateway": {
        "cache",
        "semantic",
        "governance",
        "budgets",
        "spool",
        "translate",
        "providers",
        "prices",
        "quality",
        "domain",
    },
    "config": {"providers", "domain"},
    "child": set(),
    "site": BELOW_SITE | {"config"},
    "supervise": {"site", "domain"},
    "console": BELOW_SITE | {"site", "supervise", "config"},
    "demo": BELOW_SITE | {"site", "supervise", "config"},
    "bench": BELOW_SITE | {"site", "supervise", "config", "console"},
    "cli": BELOW_SITE | {"site", "supervise", "config", "demo", "bench"},
}


@functools.cache
def modules() -> list[Path]:
    found = sorted(path for path in PACKAGE.rglob("*.py") if "migrations/versions" not in path.as_posix())
    assert len(found) > 20
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def names() -> frozenset[str]:
    return frozenset(map(name_of, modules()))


@functools.cache
def imports_of(path: Path) -> tuple[tuple[str, ast.stmt], ...]:
    """Modules of Bursar that a file imports, type-checking imports included, with the statement."""
    return tuple(_imports_of(path))


def _imports_of(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    known = names()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names if alias.name.split(".")[0] == "bursar")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import at line {node.lineno}"
            if node.module and node.module.split(".")[0] == "bursar":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield (inner if inner in known else node.module), node


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def late_imports_without_a_reason(path: Path) -> list[int]:
    """Lines of imports inside functions that no comment explains: on the line, or on the one above the group."""
    lines = path.read_text("utf-8").splitlines()
    found = []
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            explained = False  # one comment is enough for imports that stand together
            for inner in node.body:
                if not isinstance(inner, ast.Import | ast.ImportFrom):
                    explained = False
                    continue
                explained = (
                    explained or "#" in lines[inner.lineno - 1] or lines[inner.lineno - 2].strip().startswith("#")
                )
                if not explained:
                    found.append(inner.lineno)
    return found


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_package_imports_only_what_its_layer_names(path):
    layer = layer_of(name_of(path))
    if not layer:
        return  # bursar/__init__.py: the version, which everybody may read
    assert layer in LAYERS, f"{layer} has no line in LAYERS: say what it may import"
    for imported, node in imports_of(path):
        other = layer_of(imported)
        assert not other or other == layer or other in LAYERS[layer], (
            f"{path.relative_to(ROOT)}:{node.lineno}: {layer} may not import {other}"
        )


def test_no_module_imports_itself_in_a_circle():
    graph = {name_of(path): {imported for imported, _ in imports_of(path)} - {name_of(path)} for path in modules()}
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way[way.index(module) :], module))
        if module in done:
            return
        for imported in sorted(graph.get(module, ())):
            if imported != "bursar" and not module.startswith(f"{imported}."):  # a package's own __init__ comes first
                walk(imported, (*way, module))
        done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_module_outgrows_its_room(path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LINES_MAX, f"{path.relative_to(ROOT)} has {lines} lines: is there a noun hiding in it?"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_an_import_inside_a_function_says_why(path):
    lines = late_imports_without_a_reason(path)
    assert not lines, f"{path.relative_to(ROOT)}: imports inside a function without a comment that says why: {lines}"


@pytest.mark.parametrize("path", [path for path in modules() if path.name == "__init__.py"], ids=name_of)
def test_every_package_says_what_it_owns(path):
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert doc, f"{path.relative_to(ROOT)} opens without saying what the package owns"

"""What is committed stands alone: no registry, no path of somebody's machine, no third party's minified code."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from bursar import __version__

ROOT = Path(__file__).parent.parent
TEXT_BYTES_MAX = 2_000_000


def tracked() -> list[Path]:
    """Files under version control, or (in an unpacked archive) every file that is no product of a build."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not set(path.parts) & {".venv", "__pycache__"}]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192] and len(data) < TEXT_BYTES_MAX:
            found.append((path.relative_to(ROOT), data.decode("utf-8", "replace")))
    assert len(found) > 50
    return found


FORBIDDEN = {
    "a registry address": re.compile(
        r"""(index-url|extra-index|registry)\s*[=:]?\s*["']?http|"resolved":\s*"http"""
        r"""|https?://[^ "]*/simple(?:[/" ]|$)|(?:files\.)?pythonhosted""",
        re.IGNORECASE | re.MULTILINE,
    ),
    "a path of this machine": re.compile(re.escape(str(ROOT.parent)) + r"/|/home/[a-z]+/|/root/|/Users/"),
    "a directory beside the repository": re.compile(r"\.\./share" + "d"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_names(what):
    pattern = FORBIDDEN[what]
    if what == "a path of this machine" and len(ROOT.parent.parts) < 2:
        pattern = re.compile(r"/home/[a-z]+/|/Users/")  # checked out at the root of a container
    here = Path(__file__).relative_to(ROOT)
    found = [
        f"{path}: {match[0]}" for path, text in texts() if path != here for match in [pattern.search(text)] if match
    ]
    assert found == []


LOCKS = ["requirements.lock", "tests/clients/requirements.lock", "tests/focus/requirements.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_pins_every_package_with_hashes_and_names_no_registry(name):
    lock = (ROOT / name).read_text()
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "http" not in re.sub(r"^[a-z0-9-]*http[a-z0-9-]*==.*$", "", lock, flags=re.MULTILINE)


def test_the_lock_of_the_node_clients_pins_every_package_with_its_hash():
    lock = json.loads((ROOT / "tests" / "clients" / "package-lock.json").read_bytes())
    packages = [package for name, package in lock["packages"].items() if name]
    assert len(packages) > 5
    assert all(package["integrity"].startswith("sha512-") and package["version"] for package in packages)
    assert not any("resolved" in package for package in packages)


def test_every_direct_dependency_is_in_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert {re.split(r"[<>=~!\[;]", name)[0].strip() for name in wanted} <= locked


def test_no_third_partys_source_is_in_the_repository():
    for path, text in texts():
        if path.suffix in (".js", ".css", ".mjs"):
            assert max(map(len, text.splitlines()), default=0) < 1_000, f"{path} looks minified"
        assert not path.name.endswith((".min.js", ".min.css", ".whl", ".so")), path


def test_data_that_came_from_others_says_from_where_and_under_which_licence():
    for directory in sorted((ROOT / "src" / "bursar").rglob("data")):
        notes = [path.read_text("utf-8") for path in directory.glob("*") if path.name.startswith(("README", "SOURCES"))]
        text = "\n".join(notes).lower()
        assert "licen" in text, f"{directory.relative_to(ROOT)}: a README that names source and licence is missing"


def test_the_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_json_files_are_json():
    for path in tracked():
        if path.suffix == ".json" and "golden" not in path.parts:
            json.loads(path.read_bytes())


def test_ci_runs_what_a_person_runs():
    assert (ROOT / ".ci" / "run").read_text().endswith("make test\nexec make test-clients\n")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text

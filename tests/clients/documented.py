"""The examples of docs/clients.md, as the tests use them: only the address is another."""

import re
import shlex
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
ADDRESS = "http://127.0.0.1:8787"


def examples(language: str, url: str) -> list[str]:
    """All blocks of a language, in the page's order, with the gateway's address."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [block.replace(ADDRESS, url) for block in blocks]


def claude_settings(url: str) -> dict[str, str]:
    """What the page exports for Claude Code."""
    block = examples("sh", url)[0]
    return dict(
        shlex.split(line)[1].split("=", 1)  # type: ignore[misc]
        for line in block.splitlines()
        if line.startswith("export ")
    )

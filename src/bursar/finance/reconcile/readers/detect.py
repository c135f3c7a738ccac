"""Which format a file is, by what it begins with."""

import csv
import io
from collections.abc import Callable

from bursar.finance.reconcile.bill import LINES_MAX, Read
from bursar.finance.reconcile.readers import anthropic, aws, azure, gcp, openai, openrouter
from bursar.finance.reconcile.readers.figures import Unreadable, read_json
from bursar.finance.reconcile.readers.parquet import is_parquet

READERS: dict[str, Callable[[bytes], Read]] = {
    "openai": openai.read,
    "anthropic": anthropic.read,
    "openrouter": openrouter.read,
    "aws-cur": aws.read,
    "azure": azure.read,
    "gcp": gcp.read,
}
"""By the name that an import may give: docs/reconciliation.md."""

PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "openrouter": "openrouter",
    "aws-cur": "aws",
    "azure": "azure",
    "gcp": "google",
}
FILE_BYTES_MAX = 256 * 1024 * 1024


def read_bill(data: bytes, kind: str = "") -> tuple[str, Read]:
    """(format, what it says). kind: its name where the reader isn't to guess. Raises Unreadable."""
    if len(data) > FILE_BYTES_MAX:
        raise Unreadable(f"the file has {len(data):,} bytes, at most {FILE_BYTES_MAX:,}: split it by day")
    kind = kind or detect(data)
    if kind not in READERS:
        raise Unreadable(f"format is {kind[:40]!r}; it is one of {', '.join(READERS)}, or the name of a saved mapping")
    found = READERS[kind](data)
    if len(found.lines) > LINES_MAX:
        raise Unreadable(f"the file has {len(found.lines):,} lines, at most {LINES_MAX:,}: split it by day")
    return kind, found


def detect(data: bytes) -> str:
    """Raises Unreadable for what is none of the formats."""
    if is_parquet(data):
        return "aws-cur"
    start = data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    if start in (b"{", b"["):
        return _detect_json(data)
    head = data[:65_536].decode("utf-8-sig", "replace").partition("\n")[0]
    names = [name.strip() for name in next(csv.reader(io.StringIO(head)), [])]
    for kind, module in (("aws-cur", aws), ("azure", azure), ("openrouter", openrouter)):
        if module.looks_like_head(names):
            return kind
    raise Unreadable(
        f"no bill that is known here (its first line: {head[:120]!r}); for another CSV save a mapping of its columns"
    )


def _detect_json(data: bytes) -> str:
    try:
        value = read_json(data)
    except Unreadable:
        value = read_json(data.lstrip().partition(b"\n")[0])  # a row a line
    if isinstance(value, dict) and openai.looks_like(value.get("response")):
        return "openai"
    for kind, looks_like in (
        ("openai", openai.looks_like),
        ("anthropic", anthropic.looks_like),
        ("openrouter", openrouter.looks_like),
        ("gcp", gcp.looks_like),
    ):
        if looks_like(value):
            return kind
    raise Unreadable("JSON of no bill that is known here")

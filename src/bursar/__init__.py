"""Bursar: LLM FinOps in one system.

A gateway that stands between applications and model providers and treats every call as money, and a console
that explains that money. `docs/` says how to use it; `tests/test_layers.py` says which package may import which.
"""

__version__ = "0.1.0"

"""Figures measured on the machine at hand, beside what we promise and beside nginx.

Each part (`gateway`, `ledger`, `explore`) has `measure(options: Options) -> list[Figure]`; `bursar bench` prints them.
Owns the load, the peers and the arithmetic. Doesn't own a way of its own into Bursar: it starts and asks what users do.
"""

"""A provider that bills, and the world around it: wire formats, faults on demand, traces of real traffic.

Owns the simulator's own wire tables and its own prices. Doesn't import `providers` or `prices`: one table that both
wrote and read a bill could be wrong twice and never show.
"""

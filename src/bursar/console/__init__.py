"""The console: the pages people look at and the JSON API behind them, read-only on loopback.

Owns the address as state, the design system and how errors are told. Doesn't own what a figure is (explore) or how it
reads (domain/display).
"""

"""Questions to the ledger: measures by dimensions over a period, calls, one call down to its lines.

Owns the query language, its SQL and the choice of rollup. Doesn't own the tables (ledger) or
how a figure looks (console).
"""

"""The books: every attempt as a charge, exactly once, and what is derived from charges.

Owns the ledger's tables, the loader that fills them from the journal, corrections, and the proofs that they hold.
Doesn't own questions about cost (explore) or what an attempt cost (prices, gateway).
"""

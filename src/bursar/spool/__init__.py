"""Attempts as they happen, safe from kill -9 before a byte goes to a provider.

Owns the journal files of a node: their records, the writer in each gateway worker, the reader in the loader.
Doesn't own what the records mean in money (ledger) or who may write one (gateway).
"""

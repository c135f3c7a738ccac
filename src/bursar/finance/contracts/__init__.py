"""What was agreed with vendors, and what it makes of each charge.

Owns contracts (appended versions of dated terms), their rating into contracted, effective and billed cost, and what a
negotiation needs. Doesn't own charges: what it finds is posted as adjusting entries (`ledger/adjusting.py`).
"""

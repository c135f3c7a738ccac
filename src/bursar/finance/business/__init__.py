"""What a business knows of its customers and Bursar doesn't: who pays what for which plan, and what they did with it.

Owns bringing it in (files, Stripe's shapes, CloudEvents) and keeping it. Doesn't own what it says beside the cost of
calls (`finance/economics/`), nor that cost (`ledger/`).
"""

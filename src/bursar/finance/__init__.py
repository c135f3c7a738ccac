"""What the books mean in money: who earns it, what was agreed, what was billed, what is owed and due.

Owns customers and their economics, contracts, invoices and their reconciliation, the close, allocation, exchange
rates, tax and FOCUS. Doesn't own charges (`ledger/`) or queries (`explore/`); posts by the ledger's journal.
"""

"""FOCUS 1.2, the FinOps specification of cost and usage data: the books as such a file, and such files as rows.

Owns: which of our columns is which of FOCUS's, the export, the reading of files and what becomes of their rows.
Doesn't own the charges (`ledger/`), nor what taxes, commitments and credits there are: those are handed in as rows.
"""

"""Tax on what vendors of AI bill: rules as dated data, an engine that evaluates them, and a month's work sheet.

Owns rules, positions, vendors' entities and papers, tax documents. Doesn't own invoices (`finance/` reconciles those)
nor rates of exchange: a document says the ones that it was counted with. Computes; doesn't advise and files nothing.
"""

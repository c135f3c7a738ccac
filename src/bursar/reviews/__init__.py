"""Reviews that write themselves: sentences by rules from what the books, budgets and advice say, ranked by money.

Pure: facts in (`facts.py`), sections of sentences out. Who collects the facts and who shows the sentences is the
console's affair.
"""

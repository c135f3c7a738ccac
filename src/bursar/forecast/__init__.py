"""What will be spent: by day and by part, with bands that held in the past. It reads the books and changes nothing.

It doesn't know budgets, pages or settings: they hand it sums and show what it says.
"""

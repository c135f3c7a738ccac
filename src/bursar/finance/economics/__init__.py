"""What customers, plans, features and business events earn and cost: margins, who loses money, why, and what helps.

Owns questions that join `finance/business/` with charges, and the pure arithmetic behind them. Doesn't own either.
"""

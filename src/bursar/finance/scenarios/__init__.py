"""What margin would be if something were otherwise: more usage, other prices, other models, a wave of free users.

Owns scenarios, how they are written and kept, and the worlds they are tried on. Doesn't own who the customers are or
what they paid (`finance/business/`, `finance/economics/`): it is handed their months.
"""

"""Exchange rates: what one currency was worth in another on a day, for which purpose, and who said so.

Owns dated rates, their import, and what was lost or won between booking and paying. Doesn't own amounts: whoever has
one asks for a rate and converts it, or says that there is none.
"""

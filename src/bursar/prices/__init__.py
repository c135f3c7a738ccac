"""What a unit costs, since when, and who says so.

Owns the compiled price book, the pricing of a usage, local overrides and the check of catalogues against each other.
Doesn't own what was used (providers/), what was agreed with a vendor (finance/), or any charge (ledger/).
"""

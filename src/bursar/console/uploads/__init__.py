"""Files that come in by the browser: kept aside, looked at, then brought in whole or not at all.

Owns the shelf they lie on meanwhile and what a page asks of each kind of them. Doesn't own reading them (`finance/`).
"""

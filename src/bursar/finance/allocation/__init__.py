"""Who bears what: shared, untagged and flat costs split by dated rules, and statements of it.

Owns rules, the split and chargebacks. Doesn't change charges: a rule that tags is a view of them, and a chargeback is
an entry of the general journal.
"""

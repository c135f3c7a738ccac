"""Providers' bills beside our own charges: what differs, why, for how much money, and what to do about it.

Owns: reading bills, matching their lines with the ledger, the cause of each difference, and posting what somebody
accepts. It prices no call and changes no charge: what is posted goes through the ledger's own corrections.
"""

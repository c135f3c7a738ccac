"""Budgets: over which stretch of time a limit holds, what the limit is, and what is held against it.

Owns windows, limits and their arithmetic; holds and leases move in next. Reads no clock, runs no reset job: a new
window is a new key. Doesn't know requests, providers or the ledger, and never decides who may call what.
"""

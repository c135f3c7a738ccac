"""The words of the business: money, usage, charges, tags, scope, periods, errors.

Owns values and the pure rules on them. Does no IO, reads no clock, imports nothing else of Bursar.
"""

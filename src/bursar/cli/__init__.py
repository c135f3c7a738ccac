"""The terminal: parse, one call, render.

Owns commands, their help, and how an answer is shown. Doesn't own any answer: those come from the console's JSON API,
or from the ledger itself when no console is running.
"""

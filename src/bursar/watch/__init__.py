"""The watch over spend: what is out of the ordinary, what it costs, why it happened, and what to do about it.

Owns detectors, the sums they look at, causes and findings as values. Doesn't own where findings are kept
(`governance/findings.py`), who is told (`alerts/`), nor what is changed about it (`governance/`): it is handed those.
"""

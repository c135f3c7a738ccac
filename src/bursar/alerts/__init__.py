"""Alerts: what is watched in the books, and how people are told of it in time, once.

Owns the rules and what they judge, messages, quiet hours, escalation and the channels. Doesn't own the outbox
(governance, which writes an alert down before anything is sent) or any figure (explore).
"""

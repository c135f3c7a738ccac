"""Marks for providers' own prompt caches, and what breaks those caches: decided from hashes, without keeping a text.

Owns which blocks of a prompt are worth keeping, the bytes that say so, and the watch that stops it when it doesn't pay.
Doesn't own the operator's rules (`domain/caching.py`), answers of our own caches, or what a call was charged.
"""

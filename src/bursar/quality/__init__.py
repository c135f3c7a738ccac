"""Whether the cheap model will do: what is seen of a request's text, the weights learned of it, and how good they are.

Owned here: the features of a text, the file of weights, its training and its judging on examples held back. Not owned:
which call is judged and where it then goes (`gateway/gates.py`), and what a route says of it (`domain/gates.py`).
"""

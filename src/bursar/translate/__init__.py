"""From one dialect to another: a request is read into a `Conversation`, written for its provider, and its answer back.

Pure: bytes in, bytes out. What a dialect can't say is collected in `Losses`, never left out in silence.
"""

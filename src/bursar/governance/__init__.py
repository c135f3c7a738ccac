"""Who may call, and who changed what.

Owns the control store (keys, audit) and the snapshot that gateway workers read from it.
Doesn't own identification of a call (gateway) or anything about money.
"""

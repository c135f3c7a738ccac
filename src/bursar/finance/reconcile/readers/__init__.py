"""Readers of bills, one file a format: bytes in, lines and faults out. None of them asks anybody anything."""

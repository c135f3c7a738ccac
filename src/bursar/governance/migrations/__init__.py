"""Alembic's scripts for the control store, applied at start (`store.py`)."""

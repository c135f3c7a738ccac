"""The whole control state as one file that people review: read, compared with what is in force, applied, written."""

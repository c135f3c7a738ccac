"""Answers that are kept: which requests are the same, for whom, how long, and where they lie."""

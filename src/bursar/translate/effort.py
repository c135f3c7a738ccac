"""A budget of thinking in tokens as one of OpenAI's efforts. Neither side defines the other's measure: the steps are
ours, and no further than "high", since older models refuse more."""

EFFORTS = ((2_048, "low"), (8_192, "medium"))
"""A budget up to so many tokens is this effort; a larger one "high"."""


def effort_of_budget(tokens: int) -> str:
    """The smallest effort that covers a budget."""
    return next((effort for most, effort in EFFORTS if tokens <= most), "high")

"""How much a model shall think: in words (OpenAI) or in tokens (Anthropic, Gemini), and from one to the other.

Neither side defines the other's measure. The steps are those that agents use for Claude's budgets: each twice the last
but one, so that a budget and back stays within its step.
"""

BUDGET_OF_EFFORT = {
    "none": 0,
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Tokens, USD-blind; at least Anthropic's least budget of 1,024."""


def effort_of_budget(tokens: int) -> str:
    """The smallest effort that covers a budget, "max" beyond all."""
    for effort, budget in BUDGET_OF_EFFORT.items():
        if tokens <= budget:
            return effort
    return "max"

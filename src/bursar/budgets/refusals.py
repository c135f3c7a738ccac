"""The words of a refusal: which budget, its limit, what is spent and held, until when, and whom to ask."""

from bursar.budgets.budget import Budget
from bursar.budgets.holds import Claim
from bursar.budgets.lease import Grant
from bursar.domain.errors import BudgetExhausted, BudgetUnpriced
from bursar.domain.money import plain, usd_from_pico

RETRY_AFTER_MAX_S = 366 * 24 * 3600


def exhausted(claim: Claim, grant: Grant, free_pico: int, now_us: int, *, status: int = 402) -> BudgetExhausted:
    """grant: the authority's last word on it. free_pico: what this worker has left of its own lease."""
    budget, limit = claim.budget, grant.limit or 0
    held = max(grant.leased - free_pico, 0)
    left = max(limit - grant.posted - held, 0)
    seconds = max(-(-(grant.end_us - now_us) // 1_000_000), 1)
    error = BudgetExhausted(
        f"budget {_name(budget, claim.key.value)} has {usd(left)} left of {usd(limit)} and this call could cost "
        f"{usd(claim.amount)}: {usd(grant.posted)} spent, {usd(held)} held for calls under way; {grant.resets}"
        + (f". Ask {budget.contact}" if budget.contact else ""),
        field="budget",
        headers={
            "retry-after": str(min(seconds, RETRY_AFTER_MAX_S)),
            "x-bursar-budget": header_text(budget.budget_id),
        },
    )
    error.status = status
    error.left_pico = left
    error.may_clamp = budget.mode == "clamp"
    return error


def unpriced(budget: Budget, value: str, provider: str, model: str) -> BudgetUnpriced:
    """The command in it is the one that prices the model."""
    return BudgetUnpriced(
        f"budget {_name(budget, value)} can't bound a call of {model!r}, which has no price at {provider}: "
        f"`bursar prices set {provider}/{model} --input USD --output USD` gives it one (USD per million tokens)"
        + (f". Ask {budget.contact}" if budget.contact else ""),
        field="model",
        headers={"x-bursar-budget": header_text(budget.budget_id)},
    )


def usd(pico: int) -> str:
    """Exact dollars: `$0.0425`."""
    return f"${plain(usd_from_pico(pico))}"


def header_text(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _name(budget: Budget, value: str) -> str:
    return f"{budget.name!r} ({budget.each}={value})" if value else repr(budget.name)

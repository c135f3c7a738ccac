"""The words of a refusal: which budget, its limit, what is spent and held, until when, and whom to ask."""

from bursar.budgets.budget import Budget
from bursar.budgets.holds import Claim
from bursar.budgets.lease import Grant
from bursar.budgets.thresholds import Threshold, threshold_words
from bursar.domain.errors import BudgetApprovalRequired, BudgetExhausted, BudgetThrottled, BudgetUnpriced
from bursar.domain.money import plain, usd_from_pico

RETRY_AFTER_MAX_S = 366 * 24 * 3600


def exhausted(claim: Claim, grant: Grant, free_pico: int, now_us: int, *, status: int = 402) -> BudgetExhausted:
    """grant: the authority's last word on it. free_pico: what this worker has left of its own lease."""
    budget, limit = claim.budget, grant.limit or 0
    held = max(grant.leased - free_pico, 0)
    left = max(limit - grant.posted - held, 0)
    error = BudgetExhausted(
        f"budget {_name(budget, claim.key.value)} has {usd(left)} left of {usd(limit)} and this call could cost "
        f"{usd(claim.amount)}: {usd(grant.posted)} spent, {usd(held)} held for calls under way; {grant.resets}"
        + _block_text(budget)
        + _ask_text(budget),
        field="budget",
        headers=_until_the_end(budget, grant, now_us),
    )
    error.status = status
    error.left_pico = left
    error.may_clamp = budget.mode == "clamp"
    return error


def throttled(budget: Budget, value: str, threshold: Threshold, grant: Grant, wait_s: int) -> BudgetThrottled:
    """wait_s: until the next call may go on."""
    error = BudgetThrottled(
        f"{_past_text(budget, value, threshold, grant)}; from there on {threshold_words(threshold)} may be made; "
        f"try again in {wait_s} s" + _ask_text(budget),
        field="budget",
        headers={"retry-after": str(wait_s), "x-bursar-budget": header_text(budget.budget_id)},
    )
    error.details = _details(budget, value, threshold)
    return error


def unapproved(
    budget: Budget, value: str, threshold: Threshold, grant: Grant, now_us: int, *, status: int = 402
) -> BudgetApprovalRequired:
    """The command in it is the one that approves."""
    of_one = f" --value {value!r}" if value else ""
    error = BudgetApprovalRequired(
        f"{_past_text(budget, value, threshold, grant)}, and calls past that wait for a person's approval: "
        f"`bursar budgets approve {budget.budget_id}{of_one}`; {grant.resets}" + _ask_text(budget),
        field="budget",
        headers=_until_the_end(budget, grant, now_us),
    )
    error.status = status
    error.details = _details(budget, value, threshold)
    return error


def unpriced(budget: Budget, value: str, provider: str, model: str) -> BudgetUnpriced:
    """The command in it is the one that prices the model."""
    return BudgetUnpriced(
        f"budget {_name(budget, value)} can't bound a call of {model!r}, which has no price at {provider}: "
        f"`bursar prices set {provider}/{model} --input USD --output USD` gives it one (USD per million tokens)"
        + _ask_text(budget),
        field="model",
        headers={"x-bursar-budget": header_text(budget.budget_id)},
    )


def usd(pico: int) -> str:
    """Exact dollars: `$0.0425`."""
    return f"${plain(usd_from_pico(pico))}"


def header_text(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _past_text(budget: Budget, value: str, threshold: Threshold, grant: Grant) -> str:
    percent, limit = threshold.percent, grant.limit or 0
    spent = f"{usd(grant.posted)} spent, {usd(grant.leased)} held or handed out"
    return f"budget {_name(budget, value)} has come to {percent} % of its limit ({spent}, of {usd(limit)})"


def _block_text(budget: Budget) -> str:
    """Why the limit is below the one that people set."""
    percents = [one.percent for one in budget.thresholds if one.action == "block" and one.percent < 100]
    return f"; it blocks from {min(percents)} % of its limit on" if percents else ""


def _ask_text(budget: Budget) -> str:
    return f". Ask {budget.contact}" if budget.contact else ""


def _details(budget: Budget, value: str, threshold: Threshold) -> dict[str, str]:
    told = {"budget": budget.budget_id, "threshold": f"{threshold.percent}", "action": threshold.action}
    return told | ({"value": value} if value else {})


def _until_the_end(budget: Budget, grant: Grant, now_us: int) -> dict[str, str]:
    seconds = max(-(-(grant.end_us - now_us) // 1_000_000), 1)
    return {"retry-after": str(min(seconds, RETRY_AFTER_MAX_S)), "x-bursar-budget": header_text(budget.budget_id)}


def _name(budget: Budget, value: str) -> str:
    return f"{budget.name!r} ({budget.each}={value})" if value else repr(budget.name)

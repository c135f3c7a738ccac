"""What was spent of a new budget in its running window already: asked of the books the way `bursar costs` does."""

from bursar.budgets.budget import Budget
from bursar.cli import client
from bursar.controlfile.opening import VALUES_MAX, Asked, Costs, Opening, opening_of
from bursar.domain.errors import Unavailable
from bursar.site import Site


def ask_opening(site: Site, budget: Budget, now_us: int) -> Opening:
    """What the budget begins with; nothing where there are no books yet. Raises Unavailable, Refused."""
    if not site.exists():
        return Opening([])
    try:
        return opening_of(budget, now_us, lambda asked: ask_costs(site, asked))
    except Unavailable as error:
        raise Unavailable(
            f"{error.message}. What was spent already can't be counted; --no-opening begins at zero"
        ) from error


def ask_costs(site: Site, asked: Asked) -> Costs:
    """The answer of the console's API."""
    parameters: list[tuple[str, str | int | None]] = [
        ("period", asked.period), ("tz", "UTC"), ("compare", "false"), ("limit", VALUES_MAX),
        ("grain", "hour" if asked.by_hour else None), ("by", asked.by or (None if asked.by_hour else "quality")),
        *(("filter", f"{name}={value}") for name, value in asked.filters),
    ]  # fmt: skip
    return client.ask(site, "/api/explore" if asked.by_hour else "/api/costs", parameters, Costs)

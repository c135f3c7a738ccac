"""Whether a threshold can ever do what it says. Looked at when one is set, not when it is read: what was kept before
stays readable, and a price that goes away makes no budget unreadable.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from bursar.budgets.thresholds import Threshold, threshold_text
from bursar.domain.errors import BadBudget
from bursar.prices.book import PriceBook

KnowsModel = Callable[[str], bool]


def check_reachable(
    thresholds: Sequence[Threshold], before: Collection[Threshold], knows_model: KnowsModel | None
) -> None:
    """Raises BadBudget for a threshold that isn't among those before and can never act.

    knows_model: None: it isn't known here which models there are. An alert may be above 100 percent: overruns, and
    mode `expected`, get there.
    """
    for at, one in enumerate(thresholds):
        if one in before:
            continue
        field = f"thresholds.{at}"
        if one.action == "block" and one.percent > 100:
            raise BadBudget(
                f"{one.percent}:block is never reached, since calls are refused at 100 percent of the limit: write "
                f"1 to 100, or {one.percent} alone to be told of an overrun",
                field=field,
            )
        unknown = next((model for model in one.models if knows_model is not None and not knows_model(model)), None)
        if unknown is not None:
            raise BadBudget(
                f"{threshold_text(one)}: no upstream serves {unknown!r} and no price is known for it, so no call would "
                "ever go there; write a model's name as `bursar prices list` has it, or give it a price in prices.toml",
                field=field,
            )


class UpstreamModels(msgspec.Struct, frozen=True):
    """What an upstream may be asked for. models: patterns; empty: whatever is asked of it by its name."""

    name: str
    provider: str
    models: Sequence[str]


class KnownModels:
    """Whether a name that calls may ask for is a model's: some upstream says that it serves it, or it has a price.

    load_book: called only where no upstream says so.
    """

    def __init__(
        self, upstreams: Iterable[UpstreamModels], aliases: Mapping[str, str], load_book: Callable[[], PriceBook]
    ) -> None:
        self._upstreams = list(upstreams)
        self._aliases = aliases
        self._load_book = load_book

    def __call__(self, name: str) -> bool:
        name = self._aliases.get(name, name)
        if any(fnmatchcase(name, pattern) for one in self._upstreams for pattern in one.models):
            return True
        prefix, model = _split(name)
        meant = [one for one in self._upstreams if model and prefix in (one.name, one.provider)]
        for one in meant:
            if not one.models or any(fnmatchcase(model, pattern) for pattern in one.models):
                return True
        book = self._load_book()
        if any(book.history(one.provider, model) for one in meant):
            return True
        providers = {one.provider for one in self._upstreams}
        if any(book.history(provider, name) for provider in providers):
            return True
        return any(name.lower() in (entry.model, f"{entry.provider}/{entry.model}") for entry in book.entries())


def _split(name: str) -> tuple[str, str]:
    """`provider/model` or `provider:model` in two; ("", "") for a name without either."""
    at = next((at for at, character in enumerate(name) if character in "/:"), -1)
    return ("", "") if at < 0 else (name[:at], name[at + 1 :])

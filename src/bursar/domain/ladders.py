"""Ladders of models, the cheapest first, and what `X-Bursar-Mode: eco` means on them: routes, made of a few words."""

import msgspec

from bursar.domain.routes import RouteRule, Target

RUNGS_MAX = 16
ECO, BALANCED, SPORT = "eco", "balanced", "sport"


class Ladder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """models: the cheapest first, as `model` or `upstream/model`; a call for one of them takes the rung of its mode.

    asked: patterns of models that are on this ladder too, such as dated names.
    modes: mode → rung, counted from 1; without it eco is the first, sport the last, balanced the one between.
    """

    name: str
    models: tuple[str, ...]
    asked: tuple[str, ...] = ()
    modes: dict[str, int] = {}


DEFAULT_LADDERS = (
    Ladder(name="gpt-5", models=("gpt-5-nano", "gpt-5-mini", "gpt-5")),
    Ladder(name="gpt-4.1", models=("gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1")),
    Ladder(name="gpt-4o", models=("gpt-4o-mini", "gpt-4o")),
    Ladder(
        name="claude-4.5",
        models=("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"),
        asked=("claude-haiku-4-5-*", "claude-sonnet-4-5-*", "claude-opus-4-5-*"),
    ),
    Ladder(name="gemini-2.5", models=("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro")),
)
"""Families of one provider each, whose models take the same requests. In force only for calls that ask for a mode."""


def faults_of_ladder(ladder: Ladder) -> list[tuple[str, str]]:
    """(field, what is wrong) of a ladder."""
    faults = []
    if not ladder.name:
        faults.append(("name", "a ladder needs a name"))
    if not 1 < len(ladder.models) <= RUNGS_MAX or not all(ladder.models):
        faults.append(("models", f"a ladder has 2 to {RUNGS_MAX} models"))
    faults += [
        (f"modes.{mode}", f"there is no rung {rung}; write one from 1 to {len(ladder.models)}")
        for mode, rung in ladder.modes.items()
        if not (mode and 1 <= rung <= len(ladder.models))
    ]
    return faults


def rules_of(ladder: Ladder) -> list[RouteRule]:
    """A route for each mode and model asked for: the mode's rung first, then the nearest others, the cheaper before.

    Upstreams that a rung names must be there; a rung without one goes where its model goes by itself.
    """
    count = len(ladder.models)
    modes = ladder.modes or {ECO: 1, BALANCED: (count + 2) // 2, SPORT: count}
    targets = [_target(model) for model in ladder.models]
    asked = [*(target.model for target in targets), *ladder.asked]
    rules = []
    for mode, rung in modes.items():
        order = sorted(range(count), key=lambda at, rung=rung: (abs(at + 1 - rung), at))  # type: ignore[misc]
        ways = tuple(targets[at] for at in order)
        rules += [
            RouteRule(name=f"{ladder.name}: {mode}", targets=ways, match={"mode": mode, "model": model})
            for model in dict.fromkeys(asked)
        ]
    return rules


def _target(model: str) -> Target:
    upstream, slash, name = model.partition("/")
    return Target(upstream, name) if slash else Target("", model)

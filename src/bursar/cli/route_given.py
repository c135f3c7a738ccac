"""Places and what is tried on a route, as the command line writes them."""

from bursar.domain.errors import BadControl
from bursar.domain.routes import Experiment, Shadow, Target


def read_target(text: str) -> Target:
    """`UPSTREAM/MODEL=WEIGHT`, of which only the upstream must be said. Raises BadControl."""
    place, equals, weight = text.rpartition("=")
    if not equals:
        place, weight = text, "1"
    if not weight.isdecimal() or len(weight) > 9:
        raise BadControl(f"--target {text!r}: a weight is a whole number", field="targets.weight")
    return _place(place, int(weight))


def read_experiment(text: str, name: str, alpha: float) -> Experiment | None:
    """`UPSTREAM/MODEL=PERCENT`; "": none. Without a name it is called as its place. Raises BadControl."""
    if not text:
        return None
    place, percent = _percent("experiment", text)
    return Experiment(name or place, _place(place), percent, alpha)


def read_shadow(text: str, name: str) -> Shadow | None:
    """The same for a shadow."""
    if not text:
        return None
    place, percent = _percent("shadow", text)
    return Shadow(name or place, _place(place), percent)


def read_gate(name: str, accuracy_kept: float | None, threshold: float | None) -> dict[str, object] | None:
    """A quality gate's fields; without a name there is none. Raises BadControl."""
    if not name:
        if (accuracy_kept, threshold) != (None, None):
            raise BadControl("--accuracy-kept and --threshold belong to a gate: give --gate NAME", field="gate")
        return None
    return {"weights": name, "accuracy_kept": accuracy_kept, "threshold": threshold}


def _place(text: str, weight: int = 1) -> Target:
    upstream, _, model = text.partition("/")
    return Target(upstream, model, weight)


def _percent(option: str, text: str) -> tuple[str, float]:
    place, _, percent = text.rpartition("=")
    try:
        return place, float(percent.removesuffix("%"))
    except ValueError as error:
        raise BadControl(
            f"--{option} {text!r}: write UPSTREAM/MODEL=PERCENT, as in openai/gpt-4o-mini=10", field=option
        ) from error

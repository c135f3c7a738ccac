"""What was measured of several gateways in one run, and how it becomes rows, for people and for machines. Pure."""

import msgspec

from bursar.bench.figure import Figure, median

BASELINE, OURS = "nginx", "Bursar"


class Case(msgspec.Struct, frozen=True):
    """One column of CPU figures."""

    key: str
    title: str  # in full, as a figure's name
    heading: str  # as a table's column shows it
    bound: float | None = None  # what is promised of Bursar's ratio to nginx


class Gateway(msgspec.Struct):
    """One gateway's figures.

    cpu_us:   by case, CPU µs per call in the calls' way, a sample a round.
    beside_us: the same of what works elsewhere for it (Bursar's console, which loads the ledger).
    failed:   by case, why there is no figure.
    absent:   why it isn't in the run at all.
    """

    name: str
    version: str = ""
    keeps: str = ""
    cpu_us: dict[str, list[float]] = msgspec.field(default_factory=dict)
    beside_us: dict[str, list[float]] = msgspec.field(default_factory=dict)
    failed: dict[str, str] = msgspec.field(default_factory=dict)
    start_s: float | None = None
    memory_mb: float | None = None
    beside_mb: float | None = None
    absent: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}".rstrip()


class Probe(msgspec.Struct, frozen=True):
    """One question put to each gateway, and what each answered, in its own words. `heading`: the question, short."""

    question: str
    heading: str
    answers: dict[str, str]


class Comparison(msgspec.Struct):
    """All gateways of one run, nginx first. `load`: load averages of a minute before and after.

    control: how budgets held; the heading of such a probe is what a correct gateway does.
    """

    cases: list[Case]
    gateways: list[Gateway]
    probes: list[Probe]
    load: tuple[float, float] = (0.0, 0.0)
    control: list[Probe] = msgspec.field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """Why a cell is empty."""
        told = [f"{one.label}: not measured. {one.absent}" for one in self.gateways if one.absent]
        for one in self.gateways:
            told += [f"{one.label}, {key}: {why}" for key, why in one.failed.items()]
        return told


def table_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row a gateway: `gateway`, a cell a case ("62  2.9 ×"), `start`, `memory`, `keeps`. What isn't there is "–"."""
    baseline = _baseline(comparison)
    rows = []
    for one in comparison.gateways:
        rows.append(_row(one.label, one, one.cpu_us, baseline, comparison.cases))
        rows[-1] |= {"start": _seconds(one.start_s), "memory": _megabytes(one.memory_mb), "keeps": one.keeps}
        if one.absent:
            rows[-1]["keeps"] = "not measured"
        if one.beside_us:
            whole = {key: _added(samples, one.beside_us.get(key, [])) for key, samples in one.cpu_us.items()}
            rows.append(_row(f"{one.name}, console too", one, whole, baseline, comparison.cases))
            both = None if one.memory_mb is None or one.beside_mb is None else one.memory_mb + one.beside_mb
            rows[-1] |= {"start": "", "memory": _megabytes(both), "keeps": ""}
    return rows


def probe_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row for each gateway that was asked: `gateway`, and by a probe's heading its answer."""
    rows = []
    for one in comparison.gateways:
        told = {probe.heading: probe.answers[one.name] for probe in comparison.probes if one.name in probe.answers}
        if told:
            rows.append({"gateway": one.label} | told)
    return rows


def figures(comparison: Comparison) -> list[Figure]:
    """The same as figures, a line each; Bursar's CPU is judged, all else is for information."""
    base = {key: median(samples) for key, samples in _baseline(comparison).cpu_us.items()}
    found = []
    for one in comparison.gateways:
        for case in comparison.cases:
            if samples := one.cpu_us.get(case.key):
                found.append(_figure(one, case, samples, base.get(case.key)))
            if (beside := one.beside_us.get(case.key)) is not None:
                name = f"{one.label}, console beside it: {case.title}"
                found.append(Figure(name, median(beside), "µs", note="not in the call's way"))
        if one.start_s is not None:
            found.append(Figure(f"{one.label}: start to first answered call", one.start_s, "s", note="one start"))
        if one.memory_mb is not None:
            name = f"{one.label}: memory after the run"
            found.append(Figure(name, one.memory_mb, "MB", note=f"PSS; keeps {one.keeps}"))
        if one.beside_mb is not None:
            name = f"{one.label}, console beside it: memory after the run"
            found.append(Figure(name, one.beside_mb, "MB", note="PSS"))
    return found


def json_rows(comparison: Comparison) -> list[dict[str, object]]:
    """What `--json` prints: all figures; then what each said to the probes, and why something is missing, as notes."""
    told = [
        (f"{name}: {probe.question}", answer)
        for probe in (*comparison.probes, *comparison.control)
        for name, answer in probe.answers.items()
    ]
    before, after = comparison.load
    told.append(("load average before and after", f"{before:.1f}, {after:.1f}"))
    told += [("not measured", note) for note in comparison.notes]
    empty: dict[str, object] = {"value": None, "unit": "", "ratio": None, "baseline": "", "target": "", "ok": True}
    rows = [figure.as_row() for figure in figures(comparison)]
    return rows + [{"name": name} | empty | {"note": note} for name, note in told]


def stated_cost(headers: dict[str, str], body: bytes) -> str:
    """What an answer says that it cost, in the gateway's own words and digits.

    headers: with lower-case names. Bursar and LiteLLM say it in a header, TensorZero inside `usage`.
    """
    if quality := headers.get("x-bursar-cost-quality"):
        cost = headers.get("x-bursar-cost")
        return f"{cost} ({quality})" if cost is not None else f"no cost; says {quality}"
    if "x-litellm-call-id" in headers:
        cost = headers.get("x-litellm-response-cost")
        return "no cost header" if cost is None else cost
    try:
        usage = (msgspec.json.decode(body) or {}).get("usage") or {}
    except (msgspec.DecodeError, AttributeError):
        return "unreadable answer"
    if "tensorzero_cost" in usage:
        return "null" if usage["tensorzero_cost"] is None else str(usage["tensorzero_cost"])
    return "says nothing of cost"


def _figure(one: Gateway, case: Case, samples: list[float], base: float | None) -> Figure:
    value = median(samples)
    ratio = None if base is None or one.name == BASELINE else value / base
    return Figure(
        f"{one.label}: {case.title}",
        value,
        "µs",
        case.bound if one.name == OURS and ratio is not None else None,
        ratio=ratio,
        baseline="" if ratio is None else f"nginx {base:,.4g}",
        note=f"{len(samples)} rounds, {min(samples):,.4g}–{max(samples):,.4g}",
    )


def _baseline(comparison: Comparison) -> Gateway:
    return next((one for one in comparison.gateways if one.name == BASELINE), Gateway(BASELINE))


def _row(label: str, one: Gateway, cpu: dict[str, list[float]], baseline: Gateway, cases: list[Case]) -> dict[str, str]:
    row = {"gateway": label}
    for case in cases:
        samples, base = cpu.get(case.key), baseline.cpu_us.get(case.key)
        if not samples:
            row[case.key] = "failed" if case.key in one.failed else "–"
        elif one is baseline or not base:
            row[case.key] = f"{median(samples):,.0f}"
        else:
            row[case.key] = f"{median(samples):,.0f}  {_times(median(samples) / median(base))}"
    return row


def _added(samples: list[float], beside: list[float]) -> list[float]:
    return [one + other for one, other in zip(samples, beside, strict=True)] if beside else samples


def _times(ratio: float) -> str:
    return f"{ratio:,.1f} ×" if ratio < 100 else f"{ratio:,.0f} ×"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} MB"

"""`bursar routes train`: weights for a quality gate, learned on this machine, and judged on examples held back."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Format, print_csv, print_json, print_table, say, text_column
from bursar.domain import display
from bursar.domain.errors import BadGate
from bursar.domain.gates import GATE_NAME
from bursar.quality.weights import Weights, encode_weights

if TYPE_CHECKING:
    from bursar.quality.judge import Verdict

FAULTS_TOLD = 3
LOT_APGR = 0.5


class Theme(StrEnum):
    LIGHT = "light"
    DARK = "dark"


def train_gate(
    file: Annotated[Path, typer.Argument(help="CSV or .csv.gz: prompt, cheap_correct, dear_correct, maybe group.")],
    name: Annotated[str, typer.Option(help="Write the weights under this name; without it nothing is written.")] = "",
    hold_back: Annotated[
        float, typer.Option(help="The share of examples to judge by, which the weights never see.", min=0, max=0.8)
    ] = 0.3,
    by_group: Annotated[
        bool, typer.Option("--by-group", help="Hold whole groups back: how it does on subjects it never saw.")
    ] = False,
    cost_ratio: Annotated[
        float, typer.Option(help="What a call costs at the cheap model, of what it costs at the dear.", min=0, max=1)
    ] = 0.1,
    cheap: Annotated[str, typer.Option(help="The cheap model's name, kept in the file.")] = "",
    dear: Annotated[str, typer.Option(help="The dear model's name, kept in the file.")] = "",
    picture: Annotated[Path | None, typer.Option(help="Draw the curve into this file, .svg or .png.")] = None,
    theme: Annotated[Theme, typer.Option(help="light or dark paper for the picture.")] = Theme.LIGHT,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Learn when the cheap model will do: `bursar routes train examples.csv --name chat --hold-back 0.3`.

    Nothing leaves this machine, and no text is in the weights. What it prints is measured on the examples held back.
    """
    # start-up: numpy takes a tenth of a second, and no other command of routes needs it
    from bursar.quality.chart import curve_chart
    from bursar.quality.examples import read_examples, split
    from bursar.quality.judge import judge
    from bursar.quality.train import train

    if name and not GATE_NAME.fullmatch(name):
        raise BadGate(f"--name {name[:80]!r}: write lower-case letters, digits, '.', '_' and '-'", field="name")
    if picture is not None and not hold_back:
        raise BadGate("--picture draws what was measured on examples held back: give --hold-back", field="hold_back")
    examples, faults = read_examples(file)
    for fault in faults[:FAULTS_TOLD]:
        say(f"line {fault.line} is left out: {fault.what}")
    if len(faults) > FAULTS_TOLD:
        say(f"{display.count(len(faults) - FAULTS_TOLD)} more lines are left out.")
    learned, back = split(examples, hold_back, by_group=by_group)
    weights = train(learned, cheap_model=cheap, dear_model=dear)
    verdict = judge(weights, back, cost_ratio) if hold_back else None
    if name:
        _write(resolve_site(config, data).paths.gates, name, weights)
    if picture is not None and verdict is not None:
        kind = "of subjects never seen" if by_group else "never seen"
        title = f"Accuracy kept on {display.count(verdict.rows)} questions {kind}"
        _draw(picture, curve_chart(verdict, title, "dark" if theme is Theme.DARK else "light"))
    told = {"learned_from": len(learned), "left_out": len(faults), "weights": name, "verdict": verdict}
    if fmt is Format.JSON:
        print_json(msgspec.to_builtins(told))
    elif fmt is Format.CSV:
        print_csv(_FIELDS, [] if verdict is None else _rows(verdict))
    else:
        _show(len(learned), verdict, name)


_FIELDS = (
    "accuracy_kept",
    "threshold",
    "share",
    "cost_saved",
    "saved_by_length",
    "kept",
    "kept_low",
    "kept_high",
    "kept_by_lot",
)


def _rows(verdict: "Verdict") -> list[list[float | None]]:
    return [
        [one.wanted, one.threshold, one.share, one.cost_saved, one.saved_by_length, one.kept.value, one.kept.low,
         one.kept.high, one.random_kept]
        for one in verdict.at
    ]  # fmt: skip


def _show(learned: int, verdict: "Verdict | None", name: str) -> None:
    if verdict is None:
        say(f"learned from {display.count(learned)} examples; none was held back, so nothing says how good it is.")
    else:
        _show_verdict(learned, verdict)
    if name:
        say(f"weights {name!r} are written; a route uses them with quality_gate (docs/quality-gate.md).")


def _show_verdict(learned: int, verdict: "Verdict") -> None:
    print_table(
        [
            text_column("wanted", "accuracy_kept"),
            text_column("threshold", "threshold"),
            text_column("share", "calls at the cheap one"),
            text_column("saved", "cost saved"),
            text_column("by_length", "if cost goes with length"),
            text_column("kept", "accuracy kept (95 %)", grow=True),
            text_column("random", "by lot"),
        ],
        [
            {
                "wanted": f"{one.wanted:.0%}",
                "threshold": "none" if one.threshold is None else f"{one.threshold:.4f}",
                "share": f"{one.share:.1%}",
                "saved": f"{one.cost_saved:.1%}",
                "by_length": f"{one.saved_by_length:.1%}",
                "kept": f"{one.kept.value:.1%} ({one.kept.low:.1%}–{one.kept.high:.1%})",
                "random": f"{one.random_kept:.1%}",
            }
            for one in verdict.at
        ],
        title=f"Judged on {display.count(verdict.rows)} examples held back; learned from {display.count(learned)}",
    )
    say(f"the cheap model is right in {verdict.cheap_accuracy:.1%}, the dear one in {verdict.dear_accuracy:.1%}.")
    apgr, auc = verdict.apgr, verdict.auc
    say(
        f"APGR {apgr.value:.3f} ({apgr.low:.3f}–{apgr.high:.3f}); 0.5 by lot, {verdict.length_apgr:.3f} by length, "
        f"{verdict.oracle_apgr:.3f} for an oracle. AUC {auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f})."
    )
    over = verdict.gap_over_cost
    say(
        f"where a call's cost goes with its length: {over.value:.3f} ({over.low:.3f}–{over.high:.3f}) of the gap "
        f"recovered over the cost; 0.5 by lot, {verdict.longest_over_cost:.3f} by sending the longest to the cheap one."
    )
    if apgr.low <= LOT_APGR:
        say("on these examples it can't be told apart from choosing by lot: don't use it for calls like these.")


def _write(directory: Path, name: str, weights: Weights) -> None:
    """Replace the file in one step: a worker reads it while it serves."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = directory / f".{name}.new"
    new.write_bytes(encode_weights(weights))
    new.replace(directory / f"{name}.json")


def _draw(path: Path, chart: dict[str, Any]) -> None:
    # start-up: the renderer takes half a second
    import vl_convert

    try:
        if path.suffix == ".svg":
            path.write_text(vl_convert.vegalite_to_svg(chart), "utf-8")
        else:
            path.write_bytes(vl_convert.vegalite_to_png(chart, scale=2))
    except OSError as error:
        raise BadGate(f"can't write {path}: {error.strerror}", field="picture") from error

"""Exchange rates as a file from the browser."""

from bursar.console.api.rates import read_day
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.uploads.parts import ROWS_SHOWN, Ask, Given, Look, clipped
from bursar.console.uploads.shelf import Outcome, Upload
from bursar.domain.errors import BadControl, BursarError
from bursar.finance.fx.rates import PURPOSE_WORDS, PURPOSES, shown_rate
from bursar.finance.fx.reading import BYTES_MAX, Told, read_rates

FAULTS_SHOWN = 100
HEADS = ["Day", "One", "In", "Rate", "For", "Source"]


class RateTarget:
    """What the page Exchange rates is told."""

    title = "Exchange rates"
    back = "/rates"
    nav = "rates"
    limit = BYTES_MAX

    def look(self, context: ConsoleContext, one: Upload, given: Given) -> Look:
        asks = [
            *(Ask(f"for_{name}", PURPOSE_WORDS[name], given.get(f"for_{name}", ""), is_flag=True) for name in PURPOSES),
            Ask("into", "Its rates are in", given.get("into", ""), hint="INR"),
            Ask("base", "or of one", given.get("base", ""), hint="EUR"),
            Ask("source", "as said by", given.get("source", ""), hint="ECB"),
            Ask("day", "of the day, if it has none", given.get("day", ""), hint="2026-11-01"),
        ]
        try:
            rows, faults = read_rates(_text(context.uploads().content(one)), _told(given))
        except BursarError as error:
            return Look(asks=asks, problem=error.message)
        shown = [
            [str(row.day), row.currency, row.into, shown_rate(row.rate), PURPOSE_WORDS[row.purpose], row.source]
            for row in rows[:ROWS_SHOWN]
        ]
        said = [f"{len(rows):,} rates"] if rows and not faults else []
        return Look(
            asks=asks, heads=HEADS if shown else [], rows=clipped(shown), said=said, fault_count=len(faults),
            faults=[(fault.line, "", fault.text) for fault in faults[:FAULTS_SHOWN]],
            problem="" if rows or faults else "the file has no rates; say what they are for, in and by whom",
        )  # fmt: skip

    def keep(self, context: ConsoleContext, one: Upload, given: Given) -> Outcome:
        text = _text(context.uploads().content(one))
        rows, faults = read_rates(text, _told(given))
        if faults:
            shown = [(fault.line, "", fault.text) for fault in faults[:FAULTS_SHOWN]]
            return Outcome(False, [], faults=shown, fault_count=len(faults))
        if not rows:
            raise BadControl("the file has no rates", field="file")
        done = context.finance().rates.add(rows, actor=ACTOR)
        return Outcome(True, [f"{done.added:,} rates added, {done.already:,} held already"], self.back)

    def save(self, context: ConsoleContext, one: Upload, given: Given, name: str) -> None:
        raise BadControl("name: files of rates have no mappings", field="name")


def _told(given: Given) -> Told:
    purposes = tuple(name for name in PURPOSES if given.get(f"for_{name}") == "yes")
    typed = {name: given.get(name, "").strip() for name in ("source", "into", "base", "day")}
    day = read_day(typed["day"]) if typed["day"] else None
    return Told(typed["source"], purposes, typed["into"].upper(), typed["base"].upper(), day)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadControl(f"line {line}: not UTF-8; save the file as CSV in UTF-8", field="file") from error

"""Cuts: what is refused and why, in the file of each worker that the others, the console and the CLI read.

A worker writes `run/loops-N.json`; whoever lifts a cut adds to `run/loops-lifted.json`. Both are replaced whole.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import LoopCut, UnknownLoop
from bursar.domain.money import plain, usd_from_pico
from bursar.gateway.loop_signs import Sign

LIFTS_MAX = 256
LIFTED_FILE = "loops-lifted.json"
DAY_US = 86_400_000_000


class Cut(msgspec.Struct, kw_only=True):
    """One loop, cut. `scope`: what is refused: "request", "conversation", "session" or "key".

    calls, unpriced, cost_pico: what was seen from `first_us` to `since_us`; unpriced calls are not in the cost.
    bytes_from, bytes_to: of a conversation, only requests of such a size are refused.
    strikes: how often this was cut. refused: calls turned away since, by this worker.
    """

    cut_id: str
    sign: str
    scope: str
    key: int
    credential_id: str
    session: str
    agent: str
    feature: str
    model: str
    fingerprint: str
    error_code: str
    calls: int
    unpriced: int
    cost_pico: int
    first_us: int
    since_us: int
    until_us: int
    bytes_from: int = 0
    bytes_to: int = 0
    strikes: int = 1
    refused: int = 0


class Lift(msgspec.Struct):
    """Who let a cut go, and when."""

    cut: Cut
    lifted_us: int
    actor: str


class Listed(msgspec.Struct, frozen=True):
    """A cut as the whole node knows it. `state`: "cut", "expired" or "lifted"; `refused`: by all workers."""

    cut: Cut
    state: str
    refused: int
    lifted_us: int = 0
    lifted_by: str = ""


def seen_text(cut: Cut) -> str:
    """What was seen, how often, over what time, at what cost: `one request came 7 times in 4 min 12 s, …`."""
    times = f"{cut.calls} times in {span_text(cut.since_us - cut.first_us)}"
    match cut.sign:
        case Sign.REPEAT:
            seen = f"the same request came {times}, answered and sent again"
            if cut.strikes > 1:
                seen = f"the same request, cut before, came again {times}"
        case Sign.FAILING:
            seen = f"the same request came {times} and failed each time"
        case Sign.TRUNCATED:
            seen = f"an answer was cut off by max_tokens {times}, and asked for again"
        case Sign.GROWING:
            seen = f"a conversation grew and failed alike ({cut.error_code}) {times}"
        case Sign.STORM:
            seen = f"calls failed alike ({cut.error_code}) {times}, with hardly a success between"
        case _:
            seen = f"calls came {times}, out of all proportion to what is usual here"
    return f"{seen}; {cost_text(cut.cost_pico, cut.unpriced, cut.calls)}"


def cost_text(pico: int, unpriced: int, calls: int) -> str:
    """`it has cost $0.35112 so far`; what has no price is said, never taken for nothing."""
    if unpriced >= calls and not pico:
        return "what it has cost is not known: there is no price for it"
    text = f"it has cost ${plain(usd_from_pico(pico))} so far"
    return text + (f", and {unpriced} of the calls have no known price" if unpriced else "")


def refusal(cut: Cut, now_us: int) -> LoopCut:
    """The answer to a call that belongs to a cut loop."""
    until = datetime_from_us(cut.until_us)
    what = {"request": "this request", "conversation": "this conversation", "session": "this session"}.get(
        cut.scope, "this key"
    )
    return LoopCut(
        f"cut as a loop: {seen_text(cut)}. {what.capitalize()} is refused until {until:%Y-%m-%d %H:%M:%S} UTC. "
        f"Once the cause is mended, `bursar loops lift {cut.cut_id}` lets it through at once",
        headers={"retry-after": str(max(1, -(-(cut.until_us - now_us) // 1_000_000)))},
    )


def span_text(span_us: int) -> str:
    """`4 min 12 s`, `0.3 s`, `2 h 5 min`.

    >>> span_text(252_000_000), span_text(300_000), span_text(7_500_000_000)
    ('4 min 12 s', '0.3 s', '2 h 5 min')
    """
    seconds = span_us // 1_000_000
    if seconds < 10:
        return f"{seconds}.{span_us // 100_000 % 10} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"


def write_cuts(path: Path, cuts: Iterable[Cut]) -> None:
    """Replace a worker's file in one step. Raises OSError."""
    _replace(path, msgspec.json.encode(list(cuts)))


def read_cuts(path: Path) -> list[Cut]:
    """A worker's cuts; none while its file isn't there or can't be read."""
    try:
        return _CUTS.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return []


def read_lifts(directory: Path) -> list[Lift]:
    """What was lifted lately, oldest first."""
    try:
        return _LIFTS.decode((directory / LIFTED_FILE).read_bytes())
    except (OSError, msgspec.DecodeError):
        return []


def list_cuts(directory: Path, now_us: int) -> list[Listed]:
    """Cuts of all workers, those in force first, then what ended within a day; newest first."""
    found: dict[str, list[Cut]] = {}
    for path in sorted(directory.glob("loops-[0-9]*.json")):
        for cut in read_cuts(path):
            found.setdefault(cut.cut_id, []).append(cut)
    lifts = {lift.cut.cut_id: lift for lift in read_lifts(directory)}
    listed = []
    for cut_id, same in found.items():
        cut = max(same, key=lambda one: one.until_us)
        refused = sum(one.refused for one in same)
        lift = lifts.get(cut_id)
        if lift is not None and lift.lifted_us >= cut.since_us:
            continue  # told below
        if now_us - cut.until_us < DAY_US:
            listed.append(Listed(cut, "cut" if cut.until_us > now_us else "expired", refused))
    shown = {one.cut.cut_id for one in listed}
    for cut_id, lift in lifts.items():
        if cut_id not in shown and now_us - lift.lifted_us < DAY_US:
            listed.append(Listed(lift.cut, "lifted", lift.cut.refused, lift.lifted_us, lift.actor))
    return sorted(listed, key=lambda one: (one.state != "cut", -one.cut.since_us))


def lift_cut(directory: Path, cut_id: str, *, actor: str, now_us: int) -> Cut:
    """Let a cut go; workers know within a quarter of a second. Raises UnknownLoop if none of this name is in force."""
    in_force = {one.cut.cut_id: one for one in list_cuts(directory, now_us) if one.state == "cut"}
    found = in_force.get(cut_id)
    if found is None:
        have = f"in force: {', '.join(sorted(in_force))}" if in_force else "none is in force"
        raise UnknownLoop(f"no loop {cut_id[:64]!r} is cut; {have} (`bursar loops list`)", field="id")
    cut = msgspec.structs.replace(found.cut, refused=found.refused)
    others = [lift for lift in read_lifts(directory) if lift.cut.cut_id != cut_id]
    kept = [*others, Lift(cut, now_us, actor)][-LIFTS_MAX:]
    _replace(directory / LIFTED_FILE, msgspec.json.encode(kept))
    return cut


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


_CUTS = msgspec.json.Decoder(list[Cut])
_LIFTS = msgspec.json.Decoder(list[Lift])

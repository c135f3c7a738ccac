"""One installation: where its files lie, and how each process is built from the settings.

Lean on purpose: `bursar up` and every CLI command import it, so what only one of them needs (SQLAlchemy, DuckDB, the
price catalogue) is imported by the method that needs it.
"""

import contextlib
import getpass
import os
import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bursar.config import Config
from bursar.domain.clock import Clock, SystemClock
from bursar.domain.errors import ConfigError
from bursar.domain.hashing import SECRET_BYTES
from bursar.domain.ladders import DEFAULT_LADDERS
from bursar.domain.snapshot import SNAPSHOT_VERSION, Snapshot, encode_snapshot, read_snapshot
from bursar.prices.compile import compile_book, current_book, inputs_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bursar.alerts.deliver import Deliverer
    from bursar.alerts.desk import AlertDesk
    from bursar.alerts.facts import LoopCut
    from bursar.alerts.message import Attached
    from bursar.budgets.budget import Budget
    from bursar.budgets.reachable import KnownModels
    from bursar.controlfile.state import ControlState
    from bursar.domain.caching import WhyNot
    from bursar.gateway.loop_cuts import Cut
    from bursar.governance.budgets import Budgets
    from bursar.governance.controls import Controls
    from bursar.governance.keys import Keys
    from bursar.ledger.store import Ledger


class Paths:
    """The data directory, readable by its owner alone."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.secret = data / "secret.key"
        self.control = data / "control.sqlite"
        self.snapshot = data / "snapshot.msgpack"
        self.budgets = data / "budgets.msgpack"
        self.gates = data / "gates"  # weights of quality gates
        self.leases = data / "leases"  # what each worker holds and has spent, mapped into its memory
        self.prices = data / "prices.toml"  # local overrides, if the operator put some there
        self.price_book = data / "price-book.msgpack"
        self.ledger = data / "ledger.duckdb"
        self.spool = data / "spool"
        self.watch = data / "watch"  # what the watch has learned, and how far it has looked
        self.run = data / "run"  # what lives as long as the processes
        self.lock = self.run / "lock"
        self.processes = self.run / "run.json"
        self.worker = self.run / "worker.json"
        self.site = self.run / "site.json"


class Site:
    """Builds things from one Config. Making a Site touches no file."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.paths = Paths(config.data_path)

    @classmethod
    def from_settings(cls, written: bytes) -> "Site":
        """The site whose settings `write_settings` wrote down for its processes. Raises ConfigError."""
        try:
            return cls(msgspec.json.decode(written, type=Config))
        except msgspec.DecodeError as error:
            raise ConfigError(f"site.json: {error}", field="data") from error

    def prepare(self) -> None:
        """Make the data directory and the secret, if they aren't there. Raises ConfigError when that can't be."""
        try:
            for directory in (self.paths.data, self.paths.run, self.paths.spool):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.paths.data.chmod(0o700)
            self.secret()
        except OSError as error:
            raise ConfigError(f"can't use {self.paths.data} for data: {error.strerror}", field="data") from error

    def exists(self) -> bool:
        """Whether there is anything here to read."""
        return self.paths.secret.exists()

    def secret(self) -> bytes:
        """The site's secret, made at first use. Whoever has it can test guesses of keys: mode 0600."""
        path = self.paths.secret
        if path.exists():
            return path.read_bytes()
        mine = path.with_name(f"{path.name}.{os.getpid()}.new")
        fd = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its secret is the site's
            path.hardlink_to(mine)
        mine.unlink()
        return path.read_bytes()

    @property
    def control_location(self) -> Path | str:
        """The control store: a PostgreSQL address from the settings, or a SQLite file in the data directory."""
        return self.config.control.url or self.paths.control

    def budgets(self) -> "Budgets":
        """The control store's budgets; the store is made and brought up to date."""
        # start-up: as below
        from bursar.governance.budgets import Budgets
        from bursar.governance.store import ControlStore

        self.prepare()
        return Budgets(ControlStore(self.control_location), self.secret(), self.clock, self.known_models())

    def known_models(self) -> "KnownModels":
        """Which names of models mean something here; prices are read when an upstream's own list doesn't say."""
        # start-up: as below
        from bursar.budgets.reachable import KnownModels, UpstreamModels

        upstreams = [
            UpstreamModels(name, one.provider or name, one.models) for name, one in self.config.upstreams.items()
        ]
        return KnownModels(
            upstreams, self.config.aliases, lambda: current_book(self.paths.price_book, self.price_overrides)[0]
        )

    def publish_budgets(self, budgets: "Budgets | None" = None) -> "list[Budget]":
        """Hand the budgets as they are now to the gateway's workers."""
        # start-up: as below
        from bursar.governance.publish import publish_budgets

        return publish_budgets(self.paths.budgets, budgets or self.budgets())

    def keys(self) -> "Keys":
        """The control store's keys; the store is made and brought up to date."""
        # start-up: SQLAlchemy takes a fifth of a second, and most commands need no keys
        from bursar.governance.keys import Keys
        from bursar.governance.store import ControlStore

        self.prepare()
        return Keys(ControlStore(self.control_location), self.secret(), self.clock)

    def alerts(self, *, pooled: bool = False) -> "AlertDesk":
        """The control store's alerts; the store is made and brought up to date. pooled: for who asks all the time."""
        # start-up: as above
        from bursar.alerts.desk import AlertDesk
        from bursar.governance.store import ControlStore

        self.prepare()
        store = ControlStore(self.control_location, pooled=pooled)
        return AlertDesk(store, self.secret(), self.clock, self.config.console.timezone)

    def deliverer(
        self, desk: "AlertDesk", files_of: "Callable[[str], Sequence[Attached]]" = lambda address: ()
    ) -> "Deliverer":
        """What sends the alerts of this site; addresses and secrets are in this process's environment."""
        # start-up: as above
        from bursar.alerts.deliver import Deliverer

        return Deliverer(
            desk.outbox, desk.settings, self.clock, os.environ, organization=self.config.organization,
            console_url=self.config.console_url, timezone=self.config.console.timezone, files_of=files_of,
        )  # fmt: skip

    def loop_cuts(self, since_us: int) -> "list[LoopCut]":
        """What the loop breaker cut since then, for alerts; cut again, it is another one."""
        # start-up: as above
        from bursar.alerts.facts import LoopCut
        from bursar.gateway.loop_cuts import list_cuts, seen_text

        cuts = [one.cut for one in list_cuts(self.paths.run, self.clock.now_us())]
        return [
            LoopCut(f"{cut.cut_id} {cut.strikes}", cut.since_us, f"{cut.feature or 'A caller'}: {seen_text(cut)}.")
            for cut in cuts
            if cut.since_us >= since_us
        ]

    def controls(self) -> "Controls":
        """Policies, limits, kills, routes and cache rules of the control store."""
        # start-up: as above
        from bursar.governance.caches import CacheBook
        from bursar.governance.controls import Controls
        from bursar.governance.keys import Keys
        from bursar.governance.kills import Kills
        from bursar.governance.limits import Limits
        from bursar.governance.policies import Policies
        from bursar.governance.routes import RouteBook
        from bursar.governance.store import ControlStore

        self.prepare()
        parts = (ControlStore(self.control_location), self.secret(), self.clock)
        keys, routes = Keys(*parts), RouteBook(*parts, self.config.upstreams)
        caches = CacheBook(*parts, self.why_no_embeddings())
        return Controls(
            Policies(*parts), Limits(*parts), Kills(*parts), routes, caches, keys, lambda: self.publish(keys)
        )

    def control_state(self) -> "ControlState":
        """All of the control store that a control file says."""
        # start-up: as above
        from bursar.advisor.initiatives import check_terms
        from bursar.controlfile.state import ControlState
        from bursar.forecast.factors import check_scope
        from bursar.governance.store import ControlStore

        self.prepare()
        store = ControlStore(self.control_location)
        known = (self.config.console.timezone, self.config.upstreams, self.known_models())
        return ControlState(
            store, self.secret(), self.clock, *known, check_terms, self.why_no_embeddings(), check_scope
        )

    def why_no_embeddings(self) -> "WhyNot":
        """Which upstreams may embed for the semantic cache, by this environment and what the workers say."""
        # start-up: as above
        from bursar.gateway.may_embed import why_no_embeddings

        return why_no_embeddings(self.told_to_workers()["upstreams"], os.environ, self.paths.run)

    def publish(self, keys: "Keys | None" = None) -> Snapshot:
        """Hand the keys as they are now to the gateway's workers."""
        # start-up: as above
        from bursar.governance.publish import publish_snapshot

        return publish_snapshot(self.paths.snapshot, keys or self.keys())

    def publish_all(self) -> None:
        """Hand all that the control store has to the workers: whoever changed it last may have died before it did."""
        self.publish()
        self.publish_budgets()

    def ensure_snapshot(self) -> bool:
        """See to it that workers find a snapshot. True if the one there is out of date and must be published anew.

        An empty one at first: a site without a control store has no keys, and the store takes longer to open.
        """
        snapshot, control = self.paths.snapshot, self.paths.control
        is_shared = bool(self.config.control.url)  # another node may have changed it
        try:
            is_ours = read_snapshot(snapshot).version == SNAPSHOT_VERSION
        except FileNotFoundError:
            snapshot.write_bytes(encode_snapshot(Snapshot(self.clock.now_us())))
            return control.exists() or is_shared
        except msgspec.DecodeError:
            return True
        changed_after = control.exists() and control.stat().st_mtime_ns > snapshot.stat().st_mtime_ns
        return changed_after or is_shared or not is_ours  # changed after: whoever changed it died before it published

    def lift_loop(self, cut_id: str, *, actor: str) -> "Cut":
        """Let a loop go that was cut, and say so in the audit log. Raises UnknownLoop."""
        # start-up: as above; most commands lift nothing
        from bursar.gateway.loop_cuts import lift_cut
        from bursar.governance.audit import record_change
        from bursar.governance.store import ControlStore

        now_us = self.clock.now_us()
        cut = lift_cut(self.paths.run, cut_id, actor=actor, now_us=now_us)
        with ControlStore(self.control_location).writing() as connection:
            detail = {"sign": cut.sign, "credential_id": cut.credential_id, "feature": cut.feature}
            record_change(
                connection, self.secret(), at_us=now_us, actor=actor, action="loop.lift", subject=cut_id, detail=detail
            )
        return cut

    @property
    def price_overrides(self) -> Path | None:
        """The operator's own price file: the configured one, or `prices.toml` in the data directory, if there."""
        if self.config.prices.overrides:
            return Path(self.config.prices.overrides).expanduser().resolve()
        return self.paths.prices if self.paths.prices.exists() else None

    def ensure_price_book(self, *, keep_if_faulty: bool = False) -> list[str]:
        """Compile the prices, if the catalogue, the local price file or Bursar changed since.

        keep_if_faulty: with a local price file that has faults, the book there is stays in force.
        Returns what in the local price file can't be used, a line each; the catalogue's prices hold there meanwhile.
        Raises ConfigError when the file can't be read.
        """
        overrides, book = self.price_overrides, self.paths.price_book
        if overrides and not overrides.is_file():
            raise ConfigError(f"can't read {overrides}: no such file", field="prices.overrides")
        stamp = book.with_suffix(".from")
        digest = inputs_digest(overrides)
        if book.exists() and stamp.exists() and stamp.read_text() == digest:
            return []
        faults = compile_book(book, overrides, keep_if_faulty=keep_if_faulty)
        if not faults:  # else they are told again at the next start
            stamp.write_text(digest)
        elif not keep_if_faulty:
            stamp.unlink(missing_ok=True)
        return [str(fault) for fault in faults]

    def write_settings(self) -> None:
        """Write down what the site's processes need: `worker.json` for the gateway, `site.json` for the console."""
        self.paths.worker.write_bytes(msgspec.json.encode(self.told_to_workers()))
        self.paths.site.write_bytes(msgspec.json.encode(self.config))

    def told_to_workers(self) -> dict[str, object]:
        """What a gateway worker needs to know at its start, as plain values: `gateway.settings.WorkerSettings`."""
        config, paths = self.config, self.paths
        return {
            **msgspec.to_builtins(config.gateway),
            "data": str(paths.data),
            "spool": str(paths.spool),
            "snapshot": str(paths.snapshot),
            "price_book": str(paths.price_book),
            "secret": str(paths.secret),
            "organization": config.organization,
            "budgets": str(paths.budgets),
            "leases": str(paths.leases),
            "gates": str(paths.gates),
            "control": str(self.control_location),
            "loops": msgspec.to_builtins(config.loops),
            **{f"cache_{name}": value for name, value in msgspec.to_builtins(config.cache).items()},
            "aliases": config.aliases,
            "routes": msgspec.to_builtins(config.routes),
            "ladders": msgspec.to_builtins([*config.ladders, *(DEFAULT_LADDERS if config.default_ladders else ())]),
            "upstreams": [
                {**msgspec.to_builtins(upstream), "name": name, "provider": upstream.provider or name}
                for name, upstream in config.upstreams.items()
            ],
        }

    def listening_on(self, gateway_port: int, console_port: int) -> "Site":
        """The same site at these ports: what 0 (any free one) turned out to be."""
        gateway = msgspec.structs.replace(self.config.gateway, port=gateway_port)
        console = msgspec.structs.replace(self.config.console, port=console_port)
        return Site(msgspec.structs.replace(self.config, gateway=gateway, console=console), self.clock)

    def open_ledger(self) -> "Ledger":
        """The ledger, for the one process that may hold it. Raises LedgerBusy when another one does."""
        # start-up: DuckDB is for whoever holds the ledger, not for the CLI beside a running console
        from bursar.ledger.duckdb import open_ledger

        return open_ledger(self.paths.ledger)


def command_name() -> str:
    """How to run the CLI of this installation from here: `bursar`, or its path where it isn't on PATH."""
    ours = Path(sys.executable).with_name("bursar")
    found = shutil.which("bursar")
    if found or not ours.exists():
        return "bursar"
    with contextlib.suppress(ValueError, OSError):
        return str(ours.relative_to(Path.cwd()))
    return str(ours)


def data_option(config: Config) -> str:
    """What a command told to people needs behind it to be about this site's data: nothing where that is the default."""
    here = Path.cwd()
    if config.data_path == (here / Config().data).resolve():
        return ""
    path = config.data_path.relative_to(here) if config.data_path.is_relative_to(here) else config.data_path
    return f" --data {shlex.quote(str(path))}"


def actor() -> str:
    """Who is at the terminal, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container whose user has no name
        return f"cli:{os.getuid()}"

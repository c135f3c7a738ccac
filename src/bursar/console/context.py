"""What the console's pages are given: the ledger's answers, the prices, the settings, the clock. Built by `site`."""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bursar.alerts.desk import AlertDesk
from bursar.config import Config
from bursar.console.acting import Acting
from bursar.console.anomalies import AnomalyBooks
from bursar.console.finance import FinanceDesk
from bursar.console.initiatives import InitiativeDesk
from bursar.console.maturity import MaturityDesk, advised_by, initiative_facts
from bursar.console.palette import SLOTS, Palette
from bursar.console.uploads.shelf import Shelf
from bursar.console.view import DEFAULT_PERIOD, View, read_view, whole_slot
from bursar.controlfile.state import ControlState
from bursar.domain.clock import Clock, SystemClock, datetime_from_us, us_from_datetime
from bursar.domain.errors import BursarError, Forbidden, Unavailable
from bursar.domain.findings import Finding
from bursar.domain.periods import Period, bucket_start, parse_period
from bursar.domain.routes import RouteRule, with_stops
from bursar.domain.watching import Marker
from bursar.explore.query import Explorer
from bursar.forecast.told import Forecast
from bursar.gateway.loop_cuts import list_cuts
from bursar.governance.controls import Controls
from bursar.governance.initiatives import InitiativeBook
from bursar.governance.plans import PlanBook
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.maturity.bills import Bills
from bursar.maturity.facts import Advised
from bursar.prices.book import PriceBook

if TYPE_CHECKING:  # it brings SQLAlchemy; `main` opens it
    from bursar.advisor.review import Review
    from bursar.governance.budgets import Budgets

log = structlog.get_logger(__name__)

ACTOR = "console"  # there is no login yet
NO_CONTROL_STORE = "this console was started without a control store; `bursar up` starts one with it"
TAG_NAMES_SHOWN = 12
COUNT_AGAIN_US = 30_000_000
PERIODS_REMEMBERED = 64
REVIEW_LIVES_US = 600_000_000


class KeptForecast(NamedTuple):
    """made_us: when; version: of the ledger that it was made from."""

    made_us: int
    version: int
    forecast: Forecast


class ConsoleContext(msgspec.Struct, kw_only=True):
    """One console.

    prices:  the price book as it is now; asked anew each time, since it may be compiled again meanwhile.
    alerts:  where rules, channels and what was raised are tended; opened when first asked.
    open_controls: opens the control store's policies, limits and kills, at first use; None: there is none.
    open_initiatives: opens the control store's initiatives, at first use; None: there is none.
    open_plans: opens the control store's planned events, at first use; None: there is none.
    open_store: opens the control store itself with the site's secret, for maturity and finance; None: there is none.
    open_anomalies: opens what the watch found, and markers, at first use; None: there is none.
    lift_loop: lets a loop go that was cut, by its id.
    reviews: advice that was given, by period and filters: (when, what). `advising.py` keeps it.
    forecasts: forecasts that were made, by what was asked. `forecasting.py` keeps them.
    largest_parts: that a day's forecasts were split by. `forecasting.py` keeps them.
    plan_shares: how much of a budget's cost lies in a planned event's scope. `budget_plans.py` keeps them.
    csrf:    what forms that change something must carry; another one each time the console starts.
    budgets: opens the control store's budgets; None for a console without one, which has no budgets.
    publish_budgets: hands changed ones to the workers.
    control_state: what forms read, make and change budgets, policies and limits by; as a control file does.
    status:  what the process knows of itself: loader lag, workers, addresses; plain values for JSON.
    """

    explorer: Explorer
    ledger: Ledger
    prices: Callable[[], PriceBook]
    config: Config
    spool_dir: Path
    budgets: "Callable[[], Budgets] | None" = None
    publish_budgets: "Callable[[Budgets], object] | None" = None
    control_state: Callable[[], ControlState] | None = None
    status: Callable[[], Mapping[str, Any]] = dict
    alerts: Callable[[], AlertDesk] | None = None
    open_controls: Callable[[], Controls] | None = None
    open_initiatives: Callable[[], InitiativeBook] | None = None
    open_plans: Callable[[], PlanBook] | None = None
    open_store: Callable[[], tuple[ControlStore, bytes]] | None = None
    open_anomalies: Callable[[], AnomalyBooks] | None = None
    lift_loop: Callable[[str], object] | None = None
    clock: Clock = msgspec.field(default_factory=SystemClock)
    palette: Palette = msgspec.field(default_factory=Palette)
    csrf: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    reviews: dict[Any, tuple[int, "Review"]] = {}
    forecasts: dict[Any, KeptForecast] = {}
    largest_parts: dict[Any, dict[str, list[str]]] = {}
    plan_shares: dict[Any, float] = {}
    _controls: Controls | None = None
    _initiatives: InitiativeDesk | None = None
    _plans: PlanBook | None = None
    _maturity: MaturityDesk | None = None
    _finance: FinanceDesk | None = None
    _anomalies: AnomalyBooks | None = None
    _waiting: tuple[int, int] = (0, -1)  # (when counted, how many)
    _tags: dict[Period, tuple[int, tuple[str, ...]]] = {}

    def now(self) -> datetime:
        return datetime_from_us(self.clock.now_us())

    @property
    def run_dir(self) -> Path:
        """Where the gateway's workers write down what they cut."""
        return self.spool_dir.parent / "run"

    def uploads(self) -> Shelf:
        """Files that were uploaded and nobody has decided about yet."""
        return Shelf(self.spool_dir.parent / "uploads", self.clock)

    def loops_in_force(self) -> int:
        """How many loops are cut now, for the list of pages."""
        return sum(one.state == "cut" for one in list_cuts(self.run_dir, self.clock.now_us()))

    def controls(self) -> Controls:
        """Policies, limits and kills. Raises Unavailable in a console without a control store."""
        if self._controls is None:
            if self.open_controls is None:
                raise Unavailable(NO_CONTROL_STORE)
            self._controls = self.open_controls()
        return self._controls

    def initiatives(self) -> InitiativeDesk:
        """Initiatives and what they saved. Raises Unavailable in a console without a control store."""
        if self._initiatives is None:
            if self.open_initiatives is None:
                raise Unavailable(NO_CONTROL_STORE)
            self._initiatives = InitiativeDesk(self.open_initiatives(), self.ledger, self.clock)
        return self._initiatives

    def plans(self) -> PlanBook:
        """Planned events. Raises Unavailable in a console without a control store."""
        if self._plans is None:
            if self.open_plans is None:
                raise Unavailable(NO_CONTROL_STORE)
            self._plans = self.open_plans()
        return self._plans

    def maturity(self) -> MaturityDesk:
        """The step, and all behind it. Raises Unavailable in a console without a control store."""
        if self._maturity is None:
            if self.open_store is None:
                raise Unavailable(NO_CONTROL_STORE)
            store, secret = self.open_store()
            self._maturity = MaturityDesk(
                store, secret, self.clock, self.ledger, self.config, lambda: initiative_facts(self.initiatives()),
                self.advised_lately, self._bills,
            )  # fmt: skip
        return self._maturity

    def _bills(self) -> Bills:
        return self.finance().invoices.summaries()

    def finance(self) -> FinanceDesk:
        """Finance's books. Raises Unavailable in a console without a control store."""
        if self._finance is None:
            if self.open_store is None:
                raise Unavailable(NO_CONTROL_STORE)
            store, secret = self.open_store()
            self._finance = FinanceDesk(
                store, secret, self.ledger, self.explorer, self.clock, self.config.organization, self.status
            )
        return self._finance

    def advised_lately(self) -> Advised | None:
        """What advice expects on the last thirty days, if somebody asked for it lately."""
        made_us, found = self.reviews.get((DEFAULT_PERIOD, self.config.console.timezone, ()), (0, None))
        is_fresh = 0 <= self.clock.now_us() - made_us < REVIEW_LIVES_US
        return advised_by(found, made_us) if found is not None and is_fresh else None

    def anomalies(self) -> AnomalyBooks:
        """What the watch found, and markers. Raises Unavailable in a console without a control store."""
        if self._anomalies is None:
            if self.open_anomalies is None:
                raise Unavailable(NO_CONTROL_STORE)
            self._anomalies = self.open_anomalies()
        return self._anomalies

    def markers(self, period: Period) -> list[Marker]:
        """What happened in a period, for its charts; none where nothing of that is kept or can be read."""
        if self.open_anomalies is None:
            return []
        try:
            return self.anomalies().markers.between(us_from_datetime(period.start), us_from_datetime(period.end))
        except (SQLAlchemyError, BursarError) as error:  # the figures are worth reading without them
            log.warning("markers_unread", error=str(error))
            return []

    def open_findings(self) -> list[Finding]:
        """Anomalies that wait for somebody, for the list of pages and Overview."""
        if self.open_anomalies is None:
            return []
        try:
            return self.anomalies().findings.open_ones()
        except (SQLAlchemyError, BursarError) as error:  # likewise
            log.warning("anomalies_uncounted", error=str(error))
            return []

    def acting(self) -> Acting:
        """By what something is done about an anomaly. Raises Unavailable in a console without a control store."""
        return Acting(
            self.anomalies(), self.controls, self.budget_store, self.tell_budgets, self.clock,
            self.config.console.timezone,
        )  # fmt: skip

    def filed_routes(self) -> list[RouteRule]:
        """Routes of the settings file, as the workers have them: an experiment that was stopped says so."""
        stops = () if self.open_controls is None else self.controls().routes.stopped_in_file()
        return with_stops(self.config.routes, stops)

    def budget_store(self) -> "Budgets":
        """Budgets, to change them. Raises Unavailable in a console without a control store."""
        if self.budgets is None or self.publish_budgets is None:
            raise Unavailable(NO_CONTROL_STORE)
        return self.budgets()

    def tell_budgets(self) -> None:
        """Hand the budgets as they are now to the workers. Raises Unavailable."""
        store = self.budget_store()
        if self.publish_budgets is not None:
            self.publish_budgets(store)

    def key_namer(self) -> Callable[[str], str]:
        """What people call a key, read once for a page; a client's own key, and any where there is no control store,
        has its id alone."""
        names = {} if self.open_controls is None else self.controls().key_names()
        return lambda credential_id: names.get(credential_id, credential_id)

    def tag_names(self, view: View) -> tuple[str, ...]:
        """The free tags in use, most used first, for menus."""
        now_us = self.clock.now_us()
        counted_us, names = self._tags.get(view.period, (0, ()))
        if now_us - counted_us > COUNT_AGAIN_US:
            names = tuple(found.value for found in self.explorer.tag_keys(view.period)[:TAG_NAMES_SHOWN])
            if len(self._tags) >= PERIODS_REMEMBERED:
                self._tags.clear()
            self._tags[view.period] = (now_us, names)
        return names

    def colours(self, dimension: str, names: Sequence[str]) -> list[int]:
        """A colour for each name, 1 to 8. The largest values of ninety days have the first ones, everywhere."""
        if not self.palette.knows(dimension):
            quarter = self._whole_slots(parse_period("90d", self.now(), "UTC"))
            largest = self.explorer.cost_by(dimension, quarter, limit=SLOTS, measures=("effective_cost",))
            self.palette.slots(dimension, [str(row[0] or "") for row in largest.rows])
        return self.palette.slots(dimension, names)

    def unpriced_models(self) -> int:
        """How many models of the last thirty days have no price, for the list of pages; counted now and then."""
        now_us = self.clock.now_us()
        counted_us, number = self._waiting
        if number < 0 or now_us - counted_us > COUNT_AGAIN_US:
            month = self._whole_slots(parse_period("30d", self.now(), "UTC"))
            table = self.explorer.cost_by(
                ("provider", "model"), month, filters=[("quality", "unpriced")], measures=("unpriced_count",),
                order="unpriced_count",
            )  # fmt: skip
            number = table.groups
            self._waiting = (now_us, number)
        return number

    def check_form(self, form: Mapping[str, str]) -> None:
        """Raises Forbidden for a form that isn't one of this console's own pages."""
        if not hmac.compare_digest(form.get("csrf", "").encode(), self.csrf.encode()):
            raise Forbidden(
                "this form is not one of this console as it runs now; go back, load the page again, and send it once "
                "more",
                field="csrf",
            )

    def open_alerts(self) -> int:
        """How many alerts wait for somebody, for the list of pages."""
        try:
            return self.desk().book.open_count()
        except (SQLAlchemyError, BursarError) as error:  # the figures are worth reading without it
            log.warning("alerts_uncounted", error=str(error))
            return 0

    def desk(self) -> AlertDesk:
        """Where alerts are tended. Raises Unavailable where there is none."""
        if self.alerts is None:
            raise Unavailable("this console has no control store, and so no alerts")
        return self.alerts()

    def _whole_slots(self, period: Period) -> Period:
        return whole_slot(period, self.now())

    def view(self, path: str, query: Mapping[str, list[str]]) -> View:
        """An address as state; "all time" begins with the first call there is. Raises BadRequest."""
        view = read_view(path, query, self.now(), self.config.console.timezone)
        if view.period_name != "all":
            return view
        first = self.explorer.first_call_at()
        start = bucket_start(first, "day", view.timezone) if first else view.period.end
        return msgspec.structs.replace(view, period=msgspec.structs.replace(view.period, start=start))

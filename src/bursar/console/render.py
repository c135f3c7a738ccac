"""Templates with the frame around them: one environment, one way to make a page."""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bursar.console.assets import Assets
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.problems import Problem
from bursar.console.view import COMPARISONS, PRESET_NAMES, View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadPeriod
from bursar.domain.periods import parse_period, zone
from bursar.site import command_name, data_option

TEMPLATE_DIR = Path(__file__).parent / "templates"
FILTER_FIELDS = (
    "feature", "team", "customer", "model", "provider", "environment", "request_type", "agent", "user", "session",
    "outcome", "quality", "credential_id", "project", "saved",
)  # fmt: skip
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Tokyo",
)


class NavItem(msgspec.Struct, frozen=True):
    """A page in the list on the left; `count` of things that wait there, and `why`."""

    page: str
    name: str
    path: str
    count: int = 0
    why: str = ""


class Banner(msgspec.Struct, frozen=True):
    """A problem told on every page: what, since when, what still works, what to do. `level`: "" (doubt) or "bad"."""

    title: str
    text: str
    level: str = ""
    command: str = ""


NAV = (
    NavItem("overview", "Overview", "/"),
    NavItem("explore", "Explore", "/explore"),
    NavItem("calls", "Calls", "/calls"),
    NavItem("customers", "Customers", "/customers"),
    NavItem("budgets", "Budgets", "/budgets"),
    NavItem("forecast", "Forecast", "/forecast"),
    NavItem("alerts", "Alerts", "/alerts"),
    NavItem("anomalies", "Anomalies", "/anomalies"),
    NavItem("savings", "Savings", "/savings"),
    NavItem("advice", "Advice", "/advice"),
    NavItem("whatif", "What if", "/whatif"),
    NavItem("initiatives", "Initiatives", "/initiatives"),
    NavItem("prices", "Models and prices", "/prices"),
    NavItem("routes", "Routes", "/routes"),
    NavItem("caches", "Caches", "/caches"),
    NavItem("loops", "Loops and waste", "/loops"),
    NavItem("controls", "Limits and policies", "/controls"),
    NavItem("scenarios", "Scenarios", "/scenarios"),
    NavItem("contracts", "Contracts and invoices", "/contracts"),
    NavItem("allocation", "Allocation", "/allocation"),
    NavItem("close", "Close", "/close"),
    NavItem("tax", "Tax", "/tax"),
    NavItem("reviews", "Reviews", "/reviews"),
    NavItem("reports", "Reports", "/reports"),
    NavItem("maturity", "Maturity", "/maturity"),
)

CONTRACT_TABS = (
    ("contracts", "Contracts", "/contracts"),
    ("invoices", "Invoices", "/invoices"),
    ("negotiation", "Negotiation", "/contracts/negotiation"),
)
"""The pages of the one entry "Contracts and invoices": (which, its name, its address)."""


class Renderer:
    """Draws pages for one console."""

    def __init__(self, context: ConsoleContext, assets: Assets) -> None:
        self.context = context
        self.assets = assets
        self.env = Environment(
            loader=FileSystemLoader(TEMPLATE_DIR), autoescape=True, trim_blocks=True, lstrip_blocks=True,
            undefined=StrictUndefined, auto_reload=False,
        )  # fmt: skip
        self.env.filters["lowerfirst"] = lambda text: text[:1].lower() + text[1:]
        self.env.globals["bursar"] = command_name()
        self.env.globals["contract_tabs"] = CONTRACT_TABS
        self.env.globals["data_option"] = data_option(context.config)
        self.env.filters["decimal"] = Decimal
        self.env.filters["sentence"] = display.sentence

    def format(self, view: View | None) -> Format:
        """How figures read in this view."""
        console = self.context.config.console
        place = zone(view.timezone) if view else UTC
        return Format(console.locale, console.currency, place, self.context.now())

    def page(
        self,
        template: str,
        view: View,
        *,
        page: str,
        title: str,
        data: Any,
        twins: bool = True,
        banners: tuple[Banner, ...] = (),
        **more: Any,
    ) -> str:
        """A page as HTML. `data` is what its template calls `page_data`."""
        return self.env.get_template(template).render(
            {**self._frame(page, title), "nav": self._nav()},
            view=view,
            f=self.format(view),
            page_data=data,
            twins=twins,
            banners=(*self._banners(), *banners),
            presets=PRESET_NAMES,
            preset_days=_preset_days(view),
            comparisons=COMPARISONS,
            zones=list(dict.fromkeys((self.context.config.console.timezone, *ZONES))),
            filter_fields=FILTER_FIELDS,
            **{"tag_names": (), "uncovered": "", **more},
        )

    def problem(self, problem: Problem, *, is_form: bool = False) -> str:
        """An error as a calm page; it has no address state, since reading that may be what failed.

        is_form: a form was sent; what was typed is still in it, one page back.
        """
        return self.env.get_template("error.html").render(
            self._frame("error", problem.title),
            view=None,
            f=self.format(None),
            twins=False,
            banners=(),
            problem=problem,
            is_form=is_form,
        )

    def _nav(self) -> list[NavItem]:
        """The pages, with how many things wait on each."""
        unpriced, alerts, anomalies, loops = (
            self.context.unpriced_models(),
            self.context.open_alerts(),
            len(self.context.open_findings()),
            self.context.loops_in_force(),
        )
        waiting = {
            "prices": (unpriced, f"{unpriced} models without a price"),
            "alerts": (alerts, f"{alerts} open alerts"),
            "anomalies": (anomalies, f"{anomalies} anomalies go on"),
            "loops": (loops, f"{loops} loops are cut"),
        }
        return [
            msgspec.structs.replace(item, count=waiting[item.page][0], why=waiting[item.page][1])
            if item.page in waiting
            else item
            for item in NAV
        ]

    def _banners(self) -> tuple[Banner, ...]:
        """What is wrong with this console now. `status` is the process's own word; without one, all is well."""
        status = self.context.status()
        loader, price_fault = status.get("loader") or {}, status.get("price_fault")
        found = [] if not price_fault else [Banner("Your own prices can't be used", _PRICE_FAULT.format(price_fault))]
        if fault := status.get("alert_fault"):
            found.append(Banner("Alerts can't be looked for or delivered", _ALERT_FAULT.format(fault), "bad"))
        if fault := status.get("watch_fault"):
            found.append(Banner("Nothing is watched for anomalies", _WATCH_FAULT.format(fault)))
        if not loader.get("error"):
            return tuple(found)
        since = datetime_from_us(int(loader.get("loaded_us") or 0))
        text = (
            f"Loading the journal fails since {display.moment(since, UTC)} UTC: {loader['error']}. Calls go on, their "
            "records wait in the spool and nothing is lost; figures here are older than that. "
            "It is tried again every few seconds."
        )
        return (Banner("The books aren't being filled", text, "bad"), *found)

    def _frame(self, page: str, title: str) -> Mapping[str, Any]:
        return {
            "page": page,
            "title": title,
            "nav": NAV,
            "static": self.assets.prefix,
            "organization": self.context.config.organization,
            "has_pickers": True,
        }


def _preset_days(view: View) -> dict[str, str]:
    """The days that each preset means now, for the picker."""
    told = {}
    for name in PRESET_NAMES:
        try:
            period = parse_period(name, view.now, view.timezone)
        except BadPeriod:
            continue
        shown = msgspec.structs.replace(view, period=period, period_name=name)
        told[name] = "" if name == "all" else display.days(shown.first_day, shown.last_day)
    return told


_ALERT_FAULT = (
    "{}. It is tried again within seconds. What was raised is kept and will be delivered; calls and figures aren't "
    "touched."
)
_WATCH_FAULT = (
    "{}. It is tried again within seconds, and what happens meanwhile is looked at then. Calls, figures and other "
    "alerts aren't touched."
)
_PRICE_FAULT = (
    "{}. The prices from before it hold, and calls go on at those. Mend the file: it is read again within seconds, and "
    "what was unpriced is priced then."
)

"""`bursar invoices tax`: a bill as a tax document, in one step."""

from typing import TYPE_CHECKING, Annotated

import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing
from bursar.cli.render import Format, print_csv, print_json, say
from bursar.domain.errors import BadTax
from bursar.site import Site, actor

if TYPE_CHECKING:  # start-up: it pulls in SQLAlchemy, and `--help` needs none
    from bursar.finance.tax.bill_desk import BillDesk

HEADS = ("bill", "document", "version", "is_new", "fault")


def tax(
    bill: Annotated[str, typer.Argument(help="The bill's id.")],
    number: Annotated[str, typer.Option("--number", help="The number on the vendor's invoice.")] = "",
    invoice_date: Annotated[str, typer.Option("--date", help="The day on it, as 2026-10-31.")] = "",
    payer: Annotated[str, typer.Option("--payer", help="Which company of yours pays, where several are kept.")] = "",
    entity: Annotated[str, typer.Option("--entity", help="The legal entity on it, where the bill says none.")] = "",
    issuers: Annotated[
        list[str], typer.Option("--issuer", help='An entity on the bill as it is kept: "AWS Inc=AWS, Inc."; repeated.')
    ] = [],  # noqa: B006
    inputs: Annotated[
        list[str], typer.Option("--input", help="Anything else of a case: payment_date=2026-11-12. May be repeated.")
    ] = [],  # noqa: B006
    although_open: Annotated[bool, typer.Option("--although-open", help="Take it although differences wait.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make a bill a tax document; what is missing is asked: `bursar invoices tax bill_x --number INV-7
    --date 2026-10-31`."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.tax.from_bill import Said
    from bursar.finance.tax.vocabulary import read_day

    said = Said(
        payer, entity, number, read_day("date", invoice_date) if invoice_date else None, _pairs(issuers, "issuer"),
        dict(_pairs(inputs, "input")), although_open,
    )  # fmt: skip
    made = _desk(resolve_existing(config, data)).make(bill, said, actor=actor())
    row = dict(
        zip(HEADS, (bill, made.record.name, made.record.version, made.is_new, made.computed.fault), strict=True)
    )  # fmt: skip
    if fmt is Format.JSON:
        print_json(row)
    elif fmt is Format.CSV:
        print_csv(HEADS, [list(row.values())])
    else:
        what = "is a tax document now" if made.is_new else f"is version {made.record.version} of its tax document"
        say(f"{bill} {what}: {made.record.name} (`bursar tax list document`).")
        if made.computed.fault:
            say(f"not computed yet: {made.computed.fault}")


def _desk(site: Site) -> "BillDesk":
    # start-up: SQLAlchemy takes its time, and `--help` needs none
    from bursar.finance.fx.book import RateBook
    from bursar.finance.reconcile.book import InvoiceBook
    from bursar.finance.tax.bill_desk import BillDesk
    from bursar.finance.tax.book import TaxBook
    from bursar.finance.tax.kept_rates import kept_rates
    from bursar.governance.store import ControlStore

    site.prepare()
    store, secret = ControlStore(site.control_location), site.secret()
    rates = kept_rates(RateBook(store, secret, site.clock).rates())
    return BillDesk(TaxBook(store, secret, site.clock), InvoiceBook(store, secret, site.clock), rates)


def _pairs(given: list[str], field: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        left, equals, right = one.partition("=")
        if not equals or not left.strip() or not right.strip():
            raise BadTax(f"{field}: {one[:60]!r}; write NAME=VALUE", field=field)
        found[left.strip()] = right.strip()
    return found

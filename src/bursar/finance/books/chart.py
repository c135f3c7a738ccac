"""The chart of accounts: in which account a charge's expense stands, and what the others are called.

Accounts are written as Beancount does: `Expenses:AI:Openai:Search`. In a template `{provider}`, `{feature}`, `{team}`
and `{environment}` stand for the charge's own. Whether inference is cost of revenue, operating expense or research is a
policy (no standard says it): rules say it, and are applied the same way every month.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from string import Formatter

import msgspec

from bursar.domain.errors import BadControl

FIELDS = ("provider", "feature", "team", "environment")
ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
NOT_SAID = "Untagged"
RULES_MAX = 200
_SAFE = re.compile(r"[^A-Za-z0-9]+")
_ACCOUNT = re.compile(rf"(?:{'|'.join(ROOTS)})(?::[A-Z0-9][A-Za-z0-9-]*)+")
_SOFT = str.maketrans(dict.fromkeys(" _./-", ""))


class AccountRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expenses of charges that match stand in `account`. where: field → values, any of them; all fields must fit."""

    account: str
    where: dict[str, list[str]] = {}


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rules: the first that fits says where an expense stands; none: `expense`.

    A charge is debited to its expense at list, and credited: the discount of a contract, what commitments save beyond
    it, what was paid in advance, and what the vendor will bill. The four credits are the debit, exactly. Of a flat cost
    the provider is the rule's name.
    """

    rules: list[AccountRule] = []
    expense: str = "Expenses:AI:{provider}:{team}:{feature}"
    discount: str = "Expenses:Contra:Discounts:{provider}"
    commitment: str = "Expenses:Contra:Commitments:{provider}"
    prepaid: str = "Assets:Prepaid:{provider}"
    accrued: str = "Liabilities:Accrued:{provider}"
    payable: str = "Liabilities:Payable:{provider}"
    tax_recoverable: str = "Assets:Tax:Recoverable"
    tax_payable: str = "Liabilities:Tax:Payable"
    exchange: str = "Expenses:Exchange-Differences"
    flat: str = "Expenses:AI:Flat:{provider}:{team}:{feature}"
    chargeback: str = "Expenses:Charged:{team}"
    charged_out: str = "Expenses:Charged-Out"

    def expense_of(self, facts: Mapping[str, str]) -> str:
        """The account of a charge with these provider, feature, team and environment."""
        for rule in self.rules:
            if all(facts.get(field, "") in values for field, values in rule.where.items()):
                return account_of(rule.account, facts)
        return account_of(self.expense, facts)


def account_of(template: str, facts: Mapping[str, str]) -> str:
    """A template filled in."""
    return template.format(**{field: component(facts.get(field, "")) for field in FIELDS})


def component(name: str) -> str:
    """A name as a part of an account: letters, digits and hyphens; one that loses more than blanks, points and the like
    gets four digits behind, so that two names don't fall together."""
    if not name:
        return NOT_SAID
    safe = _SAFE.sub("-", name).strip("-")
    if safe.replace("-", "").lower() != name.translate(_SOFT).lower():
        digits = sha256(name.encode()).hexdigest()[:4]
        safe = f"{safe}-{digits}" if safe else f"X-{digits}"
    return safe[:1].upper() + safe[1:]


def check_chart(chart: Chart) -> Chart:
    """The chart as it may be kept. Raises BadControl that names the field."""
    if len(chart.rules) > RULES_MAX:
        raise BadControl(f"rules: {len(chart.rules)}, at most {RULES_MAX}", field="rules")
    for at, rule in enumerate(chart.rules):
        _check_template(f"rules[{at}].account", rule.account)
        for field in rule.where:
            if field not in FIELDS:
                known = ", ".join(FIELDS)
                raise BadControl(f"rules[{at}].where: {field[:40]!r}; there are {known}", field="rules")
    for field in Chart.__struct_fields__:
        if field != "rules":
            _check_template(field, getattr(chart, field))
    return chart


def check_account(account: str, field: str = "account") -> str:
    """Raises BadControl for what Beancount wouldn't take."""
    if not _ACCOUNT.fullmatch(account) or len(account) > 250:
        raise BadControl(
            f"{field}: {account[:80]!r} is no account; it begins with {', '.join(ROOTS)} and has parts with capitals: "
            "Expenses:AI:Openai",
            field=field,
        )
    return account


def _check_template(field: str, template: str) -> None:
    try:
        used = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        filled = account_of(template, {}) if used <= set(FIELDS) else ""
    except (ValueError, IndexError, KeyError, AttributeError):
        filled = ""
    if not filled:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise BadControl(f"{field}: {template[:80]!r} can't be filled in; there are {known}", field=field)
    check_account(filled, field)

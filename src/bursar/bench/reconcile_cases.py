"""The twelve bills: who sells what in which format, and what is planted on each."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import msgspec

from bursar.bench import reconcile_bills as bills
from bursar.bench.reconcile_world import NoRoom, Planted, Planter, Sold, Traffic, make_traffic
from bursar.finance.reconcile.bill import BillLine
from bursar.finance.reconcile.readers.detect import read_bill
from bursar.finance.reconcile.readers.mapped import BillMapping
from bursar.finance.reconcile.readers.mapped import read as read_mapped
from bursar.finance.reconcile.run import Terms
from bursar.simulate.billing import load_models

MAPPING = BillMapping(
    columns={"date": "Day", "key": "API key", "model": "Model", "line": "Item", "tier": "Service",
             "quantity": "Tokens", "amount": "Cost"},
    provider="mistral",
)  # fmt: skip
OPENAI = {"key_a1": "vk_openai_a", "key_b2": "vk_openai_b"}


class Case(msgspec.Struct):
    """One bill: its traffic, its files, and how it is looked at."""

    traffic: Traffic
    files: list[bytes]
    terms: Terms
    mapping: BillMapping | None = None

    def lines(self) -> list[BillLine]:
        """What our readers make of the files. Raises ValueError where they find fault with a line."""
        found = []
        for data in self.files:
            read = read_mapped(data, self.mapping) if self.mapping else read_bill(data)[1]
            if bad := [fault for fault in read.faults if "left out" not in fault.what]:
                raise ValueError(f"{self.traffic.name}: {bad[0]}")
            found += read.lines
        return found


def make_cases(seed: int, *, mixed: bool = False) -> list[Case]:
    """The twelve bills, one a month of 2026. mixed: each with a handful of whatever can be planted there, drawn by the
    seed, in the place of the same 41 in every world."""
    random = Random(seed)  # noqa: S311  a made-up world that can be replayed
    return [make(random, date(2026, month, 3), mixed) for month, make in enumerate(_BILLS, 1)]


def _sold(names: dict[str, str]) -> list[Sold]:
    """Models of the simulator's price list under other names: our name → the list's."""
    table, found = load_models(), []
    for ours, listed in names.items():
        model = table[listed]
        half = {unit: rate / 2 for unit, rate in model.rates.items()}
        tiers = {tier: {**model.rates, **rates} for tier, rates in model.tiers.items()}
        found.append(Sold(ours, {"standard": dict(model.rates), "batch": half, **tiers}))
    return found


def _dated(*names: str) -> list[Sold]:
    table = load_models()
    return _sold({table[name].served: name for name in names})


def _terms(traffic: Traffic, said: dict[str, list[str]] | None = None) -> Terms:
    return Terms(
        traffic.provider, said or {}, traffic.books_rate, traffic.first + timedelta(days=400)
    )  # fmt: skip


_ANY = ("missing", "not_billed", "stale", "cache", "timing", "last", "doubled", "raised", "unpriced", "estimated",
        "assumed")  # fmt: skip
"""What can be planted on any bill that says quantities."""

_MODEL_WIDE = ("stale", "unpriced")


def _plant_some(random: Random, planter: Planter, sold: list[Sold], allowed: Sequence[str]) -> None:
    """Two to six of what a bill allows; what is about a whole model comes first, each on a model of its own."""
    chosen = random.sample(list(allowed), random.randint(2, min(6, len(allowed))))
    models = [one.model for one in sold[1:]]
    random.shuffle(models)
    for name in sorted(chosen, key=lambda one: one not in _MODEL_WIDE):
        if name in _MODEL_WIDE:
            if models:
                model = models.pop()
                plant = planter.stale_price if name == "stale" else planter.unpriced
                plant(model)
            continue
        with suppress(NoRoom):
            _PLANTS[name](planter, sold)


_PLANTS: dict[str, Callable[[Planter, list[Sold]], None]] = {
    "missing": lambda planter, _: planter.missing(),
    "not_billed": lambda planter, _: planter.not_billed(),
    "cache": lambda planter, _: planter.cache_class(),
    "timing": lambda planter, _: planter.timing(),
    "last": lambda planter, _: planter.timing_at_the_end(),
    "doubled": lambda planter, _: planter.doubled(),
    "raised": lambda planter, _: planter.raised(),
    "estimated": lambda planter, _: planter.estimated(),
    "assumed": lambda planter, _: planter.assumed(),
    "tier": lambda planter, _: planter.tier("priority"),
    "batch": lambda planter, _: planter.tier("batch"),
    "not_through": lambda planter, sold: planter.not_through("key_rogue", sold[0]),
    "tax": lambda planter, _: planter.add_line("tax", "12.30", "Sales tax"),
    "credit": lambda planter, _: planter.add_line("credit", "-9.5", "Promotional credit"),
    "fee": lambda planter, _: planter.add_line("fee", "99", "Provisioned Managed Global Unit Reservation"),
}


def _openai_full(random: Random, first: date, mixed: bool) -> Case:
    """Costs with quantities, by key; the keys are recognised by their usage."""
    sold = _dated("gpt-5.4", "gpt-5-mini", "gpt-4o-mini")
    traffic = make_traffic(random, "openai-costs", "openai", first, OPENAI, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "tier", "batch", "not_through", "tax", "credit"))
    else:
        planter.stale_price(sold[1].model)
        planter.missing()
        planter.tier("priority")
        planter.doubled()
        planter.not_through("key_rogue", sold[0])
        planter.add_line("tax", "14.20", "Sales tax")
    return Case(traffic, [bills.openai_costs(traffic, with_quantity=True)], _terms(traffic))


def _openai_joined(random: Random, first: date, mixed: bool) -> Case:
    """Costs without quantities or keys, and usage pages that have both."""
    sold = _dated("gpt-5.4", "gpt-5.4-mini", "gpt-4.1")
    traffic = make_traffic(random, "openai-usage", "openai", first, OPENAI, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(
            random,
            planter,
            sold,
            ("missing", "not_billed", "stale", "cache", "batch", "timing", "unpriced", "estimated", "credit"),
        )
    else:
        planter.missing()
        planter.cache_class()
        planter.timing()
        planter.add_line("credit", "-25", "Promotional credit")
    files = [bills.openai_costs(traffic, with_quantity=False), bills.openai_usage(traffic)]
    return Case(traffic, files, _terms(traffic, {key: [credential] for key, credential in OPENAI.items()}))


def _anthropic_joined(random: Random, first: date, mixed: bool) -> Case:
    """Cost report by workspace in cents, usage report by key."""
    keys = {"apikey_01a": "vk_claude_a", "apikey_01b": "vk_claude_b"}
    sold = _dated("claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-5")
    traffic = make_traffic(random, "anthropic-joined", "anthropic", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "batch", "credit"))
    else:
        planter.tier("batch")
        planter.cache_class("cache_write_5m", "cache_write_1h")
        planter.missing()
        planter.estimated()
    workspaces = dict(zip(keys, ("wrkspc_1", "wrkspc_2"), strict=True))
    files = [bills.anthropic_costs(traffic, workspaces), bills.anthropic_usage(traffic, workspaces)]
    return Case(traffic, files, _terms(traffic, {key: [credential] for key, credential in keys.items()}))


def _anthropic_costs(random: Random, first: date, mixed: bool) -> Case:
    """The cost report alone: no quantities at all."""
    keys = {"wrkspc_1": "vk_claude_a", "wrkspc_2": "vk_claude_b"}
    sold = _dated("claude-sonnet-4-6", "claude-haiku-4-5")
    traffic = make_traffic(random, "anthropic-costs", "anthropic", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, ("missing", "not_billed", "stale", "cache", "timing", "doubled", "credit"))
    else:
        planter.stale_price(sold[0].model, "input", "1.1")
        planter.missing()
        planter.not_billed()
    said = {key: [credential] for key, credential in keys.items()}
    return Case(traffic, [bills.anthropic_costs(traffic, {key: key for key in keys})], _terms(traffic, said))


def _openrouter(random: Random, first: date, mixed: bool) -> Case:
    """One row a day and model, with no key."""
    sold = _sold({"openai/gpt-4.1-2025-04-14": "gpt-4.1", "anthropic/claude-sonnet-4.6": "claude-sonnet-4-6"})
    traffic = make_traffic(random, "openrouter", "openrouter", first, {"": "vk_router"}, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, ("missing", "not_billed", "timing", "assumed", "estimated"))
    else:
        planter.missing()
        planter.timing()
        planter.assumed()
    return Case(traffic, [bills.openrouter_activity(traffic)], _terms(traffic))


def _aws(random: Random, first: date, mixed: bool) -> Case:
    """Usage types of Bedrock in blocks of a thousand tokens; accounts, no keys."""
    keys = {"111122223333": "vk_bedrock"}
    names = {"global.anthropic.claude-sonnet-4-6": "Claude4.6Sonnet", "amazon.nova-lite-v1:0": "NovaLite"}
    sold = _sold(dict(zip(names, names, strict=True)))
    for one in sold:
        one.standard.pop("cache_write_1h", None)
    traffic = make_traffic(random, "aws-cur", "aws", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "batch", "credit", "tax"))
    else:
        planter.tier("batch")
        planter.missing()
        planter.add_line("credit", "-40", "AWS Activate")
    case = Case(traffic, [bills.aws_cur(traffic, names)], _terms(traffic, {"111122223333": ["vk_bedrock"]}))
    _as_billed(traffic, names)
    return case


def _aws_market(random: Random, first: date, mixed: bool) -> Case:
    """Models of the Marketplace, per million tokens, as Parquet."""
    keys = {"444455556666": "vk_market"}
    names = {"us.anthropic.claude-haiku-4-5-20251001-v1:0": "MP:Claude Haiku 4.5",
             "us.anthropic.claude-opus-5": "MP:Claude Opus 5"}  # fmt: skip
    sold = _sold(dict(zip(names, names, strict=True)))
    for one in sold:
        one.standard.pop("cache_write_1h", None)
    traffic = make_traffic(random, "aws-marketplace", "aws", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "batch", "tax"))
    else:
        planter.unpriced(sold[1].model)
        planter.not_billed()
        planter.add_line("tax", "7.77", "Tax for product code")
    case = Case(
        traffic, [bills.aws_cur(traffic, names, parquet=True)], _terms(traffic, {"444455556666": ["vk_market"]})
    )
    _as_billed(traffic, names)
    return case


def _azure(random: Random, first: date, mixed: bool) -> Case:
    """Blocks of 1K and 1M in US dollars."""
    keys = {"res-east": "vk_azure_a", "res-west": "vk_azure_b"}
    meters = {"gpt-4o-2024-08-06": "gpt 4o 0806", "gpt-4o-mini-2024-07-18": "gpt 4o mini 0718"}
    sold = _sold({"gpt-4o-2024-08-06": "gpt-4o", "gpt-4o-mini-2024-07-18": "gpt-4o-mini"})
    traffic = make_traffic(random, "azure", "azure", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "batch", "fee", "tax"))
    else:
        planter.raised()
        planter.doubled()
        planter.missing()
        planter.add_line("fee", "110", "Provisioned Managed Global Unit Reservation")
    case = Case(traffic, [bills.azure_export(traffic, meters)], _terms(traffic))
    _as_billed(traffic, meters)
    return case


def _azure_inr(random: Random, first: date, mixed: bool) -> Case:
    """In rupees at Microsoft's own rate, while the books have another."""
    keys = {"res-india": "vk_azure_in"}
    meters = {"gpt-4.1-2025-04-14": "gpt 4.1", "gpt-4.1-mini-2025-04-14": "gpt 4.1 mini"}
    sold = _sold({"gpt-4.1-2025-04-14": "gpt-4.1", "gpt-4.1-mini-2025-04-14": "gpt-4.1-mini"})
    traffic = make_traffic(random, "azure-inr", "azure", first, keys, sold)
    traffic.currency, traffic.rate, traffic.books_rate = "INR", Decimal("84.5"), Decimal("83.9")
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, ("missing", "not_billed", "batch", "timing", "estimated"))
    else:
        planter.tier("batch")
        planter.missing()
    _plant_exchange(traffic)
    case = Case(traffic, [bills.azure_export(traffic, meters)], _terms(traffic, {"res-india": ["vk_azure_in"]}))
    _as_billed(traffic, meters)
    return case


def _gcp(random: Random, first: date, mixed: bool) -> Case:
    """Rows with credits inside; projects are named as ours are."""
    keys = {"vk_vertex": "vk_vertex"}
    skus = {"gemini-2.5-flash": "Gemini 2.5 Flash", "gemini-2.5-pro": "Gemini 2.5 Pro"}
    sold = _sold({"gemini-2.5-flash": "gemini-2.5-flash", "gemini-2.5-pro": "gemini-2.5-pro"})
    traffic = make_traffic(random, "gcp", "google", first, keys, sold)
    planter = Planter(random, traffic, sold)
    if mixed:
        _plant_some(random, planter, sold, (*_ANY, "batch", "credit"))
    else:
        planter.timing_at_the_end()
        planter.stale_price(sold[1].model, "output", "0.9")
        planter.add_line("credit", "-12.5", "Committed use")
    case = Case(traffic, [bills.gcp_rows(traffic, skus)], _terms(traffic))
    _as_billed(traffic, skus)
    return case


def _rounded(random: Random, first: date, _mixed: bool) -> Case:
    """A small vendor's CSV, each amount rounded to cents."""
    keys = {"k-1": "vk_mistral_a", "k-2": "vk_mistral_b"}
    sold = _dated("gpt-5.5", "gpt-4o")
    traffic = make_traffic(random, "rounded-csv", "mistral", first, keys, sold)
    planter = Planter(random, traffic, sold)
    planter.missing()
    planter.assumed()
    data = bills.plain_csv(traffic, places=2)
    exact = sum((usd for _, _, usd in bills.lines_of(traffic)), Decimal(0))
    billed = sum((round(usd, 2) for _, _, usd in bills.lines_of(traffic)), Decimal(0))
    traffic.planted.append(Planted(traffic.name, "rounding", int((billed - exact).scaleb(12)), within=3 * 10**10))
    for one in traffic.planted[:2]:
        one.within = 15 * 10**9  # three lines of at most half a cent
    return Case(traffic, [data], _terms(traffic, {key: [credential] for key, credential in keys.items()}), MAPPING)


def _euro(random: Random, first: date, _mixed: bool) -> Case:
    """The same in euros with no rate on it, converted at another than that of the books."""
    keys = {"k-eu": "vk_mistral_eu"}
    sold = _dated("gpt-4.1", "o4-mini", "gpt-5-mini")
    traffic = make_traffic(random, "euro-csv", "mistral", first, keys, sold)
    traffic.currency, traffic.rate, traffic.books_rate = "EUR", Decimal("0.92"), Decimal("0.9")
    planter = Planter(random, traffic, sold)
    planter.not_through("k-lab", sold[0])
    _plant_exchange(traffic)
    for one in traffic.planted:
        one.within = 10**5
        if one.cause == "not_through_bursar":  # it is worth what the books' rate makes of it
            one.money = int(Decimal(one.money) * traffic.rate / Decimal("0.9"))
    mapping = msgspec.structs.replace(MAPPING, currency="EUR")
    return Case(traffic, [bills.plain_csv(traffic)], _terms(traffic, {"k-eu": ["vk_mistral_eu"]}), mapping)


def _plant_exchange(traffic: Traffic) -> None:
    """What the bill comes to at the books' rate, less what it comes to at its own; of what came through us."""
    usd = sum((Decimal(one.femto).scaleb(-15) for one in traffic.theirs if one.credential), Decimal(0))
    usd += sum((extra.amount / traffic.rate for extra in traffic.extras), Decimal(0))
    money = usd * traffic.rate / (traffic.books_rate or traffic.rate) - usd
    traffic.planted.append(Planted(traffic.name, "currency", int(money.scaleb(12)), within=10**6))


def _as_billed(traffic: Traffic, names: dict[str, str]) -> None:
    """Plants name a model as the bill does."""
    for one in traffic.planted:
        if one.model is not None:
            one.model = names[one.model].removeprefix("MP:")


_BILLS = (
    _openai_full, _openai_joined, _anthropic_joined, _anthropic_costs, _openrouter, _aws, _aws_market, _azure,
    _azure_inr, _gcp, _rounded, _euro,
)  # fmt: skip

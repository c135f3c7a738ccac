"""Who plays in the demo: a made-up company's features, teams and customers, and the models they call.

Rates come from the ServeGen tenants named here, token sizes from the Azure and Mooncake traces, scaled per feature.
"""

from typing import NamedTuple


class ModelShare(NamedTuple):
    model: str
    dialect: str
    share: float


class Feature(NamedTuple):
    """One thing the company built on LLMs.

    share:         of all calls.
    tenant:        whose hours and weekdays it keeps (trace.load_rates).
    sizes:         whose token sizes it has; `input_scale` and `output_scale` multiply them, limits clip them.
    cached:        share of calls that find a prefix in the provider's cache.
    """

    name: str
    team: str
    request_type: str
    share: float
    tenant: str
    sizes: str
    input_scale: float
    input_limits: tuple[int, int]
    output_scale: float
    output_limits: tuple[int, int]
    models: tuple[ModelShare, ...]
    stream: float = 0.0
    cached: float = 0.0
    customers: bool = True
    agent: str = ""
    session_calls: int = 1


CHAT, RESPONSES, EMBED, MESSAGES = "openai-chat", "openai-responses", "openai-embeddings", "anthropic-messages"


def _one(model: str, dialect: str) -> tuple[ModelShare, ...]:
    return (ModelShare(model, dialect, 1.0),)


FEATURES: tuple[Feature, ...] = (
    Feature(
        "support-bot", "support", "chat", 0.27, "m-small-5", "mooncake", 2.4, (2_400, 120_000), 1.5, (40, 2_400),
        (ModelShare("claude-sonnet-5", MESSAGES, 0.72), ModelShare("gpt-5.6-terra", RESPONSES, 0.28)),
        stream=0.95, cached=0.7, agent="support-agent", session_calls=6,
    ),
    Feature(
        "code-review", "platform", "review", 0.075, "m-mid-93", "azure-code", 14.0, (6_000, 140_000), 24.0,
        (600, 3_000), _one("claude-opus-5", MESSAGES), stream=0.2, cached=0.35, customers=False, agent="reviewer",
        session_calls=3,
    ),
    Feature(
        "search-rerank", "search", "rerank", 0.2, "m-mid-11", "azure-conv", 2.2, (600, 9_000), 0.05, (4, 40),
        (ModelShare("gpt-5.6-luna", CHAT, 0.8), ModelShare("gpt-4o-mini", CHAT, 0.2)),
    ),
    Feature(
        "search-index", "search", "embed", 0.13, "m-mid-95", "azure-conv", 1.4, (40, 8_000), 0.0, (0, 0),
        _one("text-embedding-3-small", EMBED),
    ),
    Feature(
        "doc-extract", "documents", "extract", 0.07, "m-mid-67", "mooncake", 3.2, (9_000, 180_000), 2.4, (250, 4_000),
        (ModelShare("gpt-5.6-sol", RESPONSES, 0.62), ModelShare("claude-sonnet-4-6", MESSAGES, 0.38)),
        cached=0.2,
    ),
    Feature(
        "onboarding-chat", "growth", "chat", 0.065, "m-mid-55", "azure-conv", 6.0, (1_800, 30_000), 2.0, (60, 1_500),
        _one("gpt-5.4", CHAT), stream=1.0, cached=0.5, session_calls=5,
    ),
    Feature(
        "classify-ticket", "support", "classify", 0.085, "m-small-19", "azure-conv", 1.1, (500, 2_600), 0.0, (2, 6),
        _one("claude-fable-5", MESSAGES),
    ),
    Feature(
        "billing-sync", "finance-eng", "reconcile", 0.02, "m-mid-7", "azure-code", 2.0, (800, 12_000), 4.0, (60, 600),
        _one("gpt-5.4-mini", CHAT),
    ),
    Feature(
        "sales-email-draft", "growth", "draft", 0.03, "m-mid-43", "azure-conv", 3.0, (900, 12_000), 2.2, (160, 1_200),
        _one("claude-opus-4-8", MESSAGES), stream=0.6,
    ),
    Feature(
        "contract-redline", "documents", "review", 0.012, "m-mid-61", "mooncake", 4.0, (16_000, 240_000), 6.0,
        (600, 4_000), _one("gpt-5.5", RESPONSES), stream=0.5, cached=0.25, agent="redliner", session_calls=4,
    ),
    Feature(
        "incident-summary", "sre", "summarize", 0.012, "m-mid-85", "azure-code", 16.0, (6_000, 120_000), 12.0,
        (200, 1_200), _one("o3", CHAT), customers=False,
    ),
    Feature(
        "voice-notes", "mobile", "summarize", 0.021, "m-large-15", "azure-conv", 2.5, (400, 9_000), 1.0, (60, 500),
        _one("claude-haiku-4-5", MESSAGES),
    ),
    Feature(
        "research-agent", "platform", "agent", 0.01, "m-mid-93", "mooncake", 2.5, (8_000, 180_000), 3.0, (250, 4_000),
        (ModelShare("gpt-5.6-terra", RESPONSES, 0.5), ModelShare("claude-opus-4-8", MESSAGES, 0.5)),
        cached=0.75, agent="research-agent", session_calls=12,
    ),
)  # fmt: skip

PLANS = ("enterprise", "business", "starter")

CUSTOMERS: tuple[tuple[str, str], ...] = (
    ("Halcyon Freight", "enterprise"),
    ("Meridian Health", "enterprise"),
    ("Kestrel Logistics", "enterprise"),
    ("Oakline Bank", "enterprise"),
    ("Société Générale des Eaux Fictives", "enterprise"),
    ("北極星ソフトウェア", "enterprise"),
    ("شركة النخيل للتجارة", "business"),
    ("Bright Mango 🥭", "business"),
    ("מעבדות אלון", "business"),
    ("Rocket Bakery 🚀🥐", "starter"),
    ("Fjord & Fell Outfitters", "business"),
    ("Łódź Data Works", "business"),
    ("Ávila Construções", "business"),
    ("The International Consortium for Interoperable Municipal Water Metering and Related Services (Northern Chapter)",
     "business"),
    ("Tiny Robot Club", "starter"),
)  # fmt: skip
"""Named ones, largest first; `customers()` adds made-up ones behind them."""

CUSTOMERS_TOTAL = 140
_FIRST = ("Amber", "Birch", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Indigo", "Juniper", "Keystone",
          "Lumen", "Maple", "Nimbus", "Onyx", "Pioneer", "Quartz", "Ridge", "Summit", "Tidal")  # fmt: skip
_SECOND = ("Analytics", "Clinics", "Foods", "Insurance", "Labs", "Legal", "Media", "Motors", "Retail", "Schools",
           "Studios", "Systems", "Travel")  # fmt: skip

INTERNAL_CUSTOMER = ("Internal use", "internal")  # what the company's own people cause
INTERNAL_USERS = tuple(f"u-{number:03d}" for number in range(1, 61))
ENVIRONMENTS = (("production", 0.93), ("staging", 0.05), ("development", 0.02))
CLIENTS = {"openai": "openai-python/3.54.0", "anthropic": "anthropic-python/2.12.0"}

UNPRICED_MODEL = "gpt-6-mini-preview"  # in no catalogue: what is unpriced must show as such


def customers() -> list[tuple[str, str]]:
    """(name, plan) of all customers, largest first."""
    made = [f"{first} {second}" for second in _SECOND for first in _FIRST]
    rest = CUSTOMERS_TOTAL - len(CUSTOMERS)
    return [*CUSTOMERS, *((name, PLANS[1 + (number % 3 > 0)]) for number, name in enumerate(made[:rest]))]

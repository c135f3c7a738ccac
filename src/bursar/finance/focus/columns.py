"""The columns of FOCUS 1.2, and our own beside them: the one place where their names are written.

Everywhere else a column has our name (`billed_cost`), which is FOCUS's in another spelling (`BilledCost`); an own
column (`x_feature`) is `x_Feature` in a file. Source: FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, version 1.2, the
column pages (CC-BY-4.0), read 2026-11.
"""

from typing import Literal, NamedTuple

VERSION = "1.2"
OWN_PREFIX = "x_"

Kind = Literal["text", "money", "count", "time", "json"]
"""FOCUS's Decimal is money (a cost, a unit price) or a count here: they have different places."""
Level = Literal["mandatory", "conditional", "recommended", "own"]


class FocusColumn(NamedTuple):
    """name: as a file writes it. is_nullable: whether FOCUS allows it to be empty. says: what we write there."""

    name: str
    kind: Kind
    level: Level
    is_nullable: bool
    says: str

    @property
    def ours(self) -> str:
        """Our name of it: `BilledCost` is `billed_cost`, `x_KeyId` is `x_key_id`."""
        return snake(self.name)


def snake(name: str) -> str:
    """`ChargePeriodStart` as `charge_period_start`; an own column keeps its `x_`."""
    own = name.startswith(OWN_PREFIX)
    spelled = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name.removeprefix(OWN_PREFIX))
    return (OWN_PREFIX if own else "") + spelled.lstrip("_")


def _of(text: str) -> tuple[FocusColumn, ...]:
    """A line a column: name, kind, level, whether it may be empty (`null` or `-`), what we write there."""
    found = []
    for line in text.strip().splitlines():
        name, kind, level, empty, says = (part.strip() for part in line.split("|"))
        found.append(FocusColumn(name, kind, level, empty == "null", says))  # type: ignore[arg-type]  # held by a test
    return tuple(found)


FOCUS_COLUMNS = _of(
    """
    AvailabilityZone | text | recommended | null | empty: a model runs in none that we are told
    BilledCost | money | mandatory | - | `billed_cost`: as invoiced
    BillingAccountId | text | mandatory | - | `organization`
    BillingAccountName | text | mandatory | null | `organization`
    BillingAccountType | text | conditional | - | `Organization`
    BillingCurrency | text | mandatory | - | `USD`
    BillingPeriodEnd | time | mandatory | - | end of that month
    BillingPeriodStart | time | mandatory | - | the UTC month of the call; of a correction, the one it was posted in
    CapacityReservationId | text | conditional | null | empty
    CapacityReservationStatus | text | conditional | null | empty
    ChargeCategory | text | mandatory | - | `Usage`, `Adjustment`; `Purchase` of commitments; `Tax`, `Credit` of a bill
    ChargeClass | text | mandatory | null | `Correction` for what was posted after the billing period of the call
    ChargeDescription | text | mandatory | null | token class and model, or why it was corrected
    ChargeFrequency | text | recommended | - | `Usage-Based`; `One-Time` if bought or adjusted; `Recurring`: capacity
    ChargePeriodEnd | time | mandatory | - | end of the hour
    ChargePeriodStart | time | mandatory | - | the hour in which the call was received
    CommitmentDiscountCategory | text | conditional | null | `Usage` for reserved capacity, else `Spend`
    CommitmentDiscountId | text | conditional | null | the contract's name and the commitment's: `acme-openai/ptu`
    CommitmentDiscountName | text | conditional | null | the commitment's name in the contract
    CommitmentDiscountQuantity | count | conditional | null | what was bought or not used, in USD; of a correction empty
    CommitmentDiscountStatus | text | conditional | null | `Unused` on what was not used
    CommitmentDiscountType | text | conditional | null | `Reserved capacity`, `Committed spend`, `Prepaid credit`
    CommitmentDiscountUnit | text | conditional | null | `USD`
    ConsumedQuantity | count | conditional | null | what was used, in ConsumedUnit; empty where nothing was used
    ConsumedUnit | text | conditional | null | `Tokens`, `Requests`, `Seconds` and so on
    ContractedCost | money | mandatory | - | `contracted_cost`
    ContractedUnitPrice | money | conditional | null | as ListUnitPrice: a contract's discount is an Adjustment
    EffectiveCost | money | mandatory | - | `effective_cost`
    InvoiceId | text | recommended | null | of rows that finance hands in; empty before an invoice is matched
    InvoiceIssuerName | text | mandatory | - | as ProviderName
    ListCost | money | mandatory | - | `list_cost`: PricingQuantity times ListUnitPrice, to the last digit
    ListUnitPrice | money | conditional | null | the dated list price of one PricingUnit
    PricingCategory | text | conditional | null | `Standard`; `Committed` on what of a commitment was not used
    PricingCurrency | text | conditional | null | `USD`
    PricingCurrencyContractedUnitPrice | money | conditional | null | as ContractedUnitPrice
    PricingCurrencyEffectiveCost | money | conditional | null | as EffectiveCost
    PricingCurrencyListUnitPrice | money | conditional | null | as ListUnitPrice
    PricingQuantity | count | mandatory | null | ConsumedQuantity in PricingUnit
    PricingUnit | text | mandatory | null | `1000000 Tokens` where tokens are priced
    ProviderName | text | mandatory | - | who sells the model: `Anthropic`, `Amazon Web Services`
    PublisherName | text | mandatory | - | as ProviderName
    RegionId | text | conditional | null | the upstream's region, where one is set
    RegionName | text | conditional | null | as RegionId
    ResourceId | text | conditional | null | the key: `credential_id`
    ResourceName | text | conditional | null | the key's name, where it has one
    ResourceType | text | conditional | null | `API Key`
    ServiceCategory | text | mandatory | - | `AI and Machine Learning`
    ServiceName | text | mandatory | - | the provider's own name of it: `Claude API`, `Amazon Bedrock`
    ServiceSubcategory | text | recommended | - | `Generative AI`
    SkuId | text | conditional | null | `sku_id` and the token class
    SkuMeter | text | conditional | null | the token class in words: `Cache read tokens`
    SkuPriceDetails | json | conditional | null | model, token class and service tier
    SkuPriceId | text | conditional | null | `sku_price_id`, the dated price, and the token class
    SubAccountId | text | conditional | null | `organization/team/project`, as far as the key's scope goes
    SubAccountName | text | conditional | null | the last of them
    SubAccountType | text | conditional | null | `Team` or `Project`
    Tags | json | conditional | null | feature, team and environment, and what the export is split by
    """
)

OWN_COLUMNS = _of(
    """
    x_Model | text | own | null | the model that answered
    x_TokenClass | text | own | null | `input` …; `attempt`: no lines; `purchase`, `unused`: a commitment; `rest`
    x_CacheReadTokens | count | own | null | ConsumedQuantity of rows of cached input
    x_ServiceTier | text | own | null | the tier that served: `batch`, `priority`
    x_KeyId | text | own | null | `credential_id`
    x_Project | text | own | null | `project` of the key's scope
    x_Feature | text | own | null | the tag
    x_Team | text | own | null | the tag
    x_Customer | text | own | null | the tag, where the export is split by it
    x_Environment | text | own | null | the tag
    x_Quality | text | own | null | `reported`, `estimated`, `assumed`, `reconciled`: how sure the charge is
    x_Entry | text | own | null | `usage`, `reversal`, `correction`, `adjustment`: what the books call it
    x_ChargeCount | count | own | null | charges with a part in the row; don't add them up
    """
)

UNPRICED_COLUMNS = _of(
    """
    ChargePeriodStart | time | mandatory | - | the hour in which the calls were received
    ChargePeriodEnd | time | mandatory | - | its end
    BillingAccountId | text | mandatory | - | `organization`
    SubAccountId | text | conditional | null | the scope of the key
    ProviderName | text | mandatory | - | who sells the model
    x_Model | text | own | null | the model that answered
    x_KeyId | text | own | null | `credential_id`
    x_Feature | text | own | null | the tag
    x_Team | text | own | null | the tag
    x_Customer | text | own | null | the tag, where the export is split by it
    x_Environment | text | own | null | the tag
    x_Quality | text | own | - | `unpriced`
    x_UnpricedCount | count | own | - | how many charges of the hour have no price
    x_InputTokens | count | own | - | what went in, cached or not
    x_OutputTokens | count | own | - | what came out
    """
)
"""Charges without a price have no cost, and FOCUS has no row without one: they are a list of their own."""

COLUMNS = (*FOCUS_COLUMNS, *OWN_COLUMNS)
BY_NAME = {column.name: column for column in COLUMNS}
BY_OURS = {column.ours: column for column in COLUMNS}
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")

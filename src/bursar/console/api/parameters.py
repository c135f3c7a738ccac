"""The API's parameters, each told once: its type, its words, and the pattern of what is accepted.

Patterns are for the description alone (`schema_extra`): the answer to a value that doesn't fit is our own, which says
what to write instead. Each accepts the empty text, which means the default.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, get_args
from zoneinfo import available_timezones

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from bursar.console.figures import SORTS
from bursar.console.problems import PROBLEM, Problem
from bursar.console.savings import SORTS as SAVINGS_SORTS
from bursar.console.view import FILTERS_MAX
from bursar.domain.periods import PRESETS
from bursar.domain.periods import Grain as GrainName
from bursar.domain.savings import LEVERS
from bursar.explore.calls import CallOrder
from bursar.explore.vocabulary import DIMENSIONS, SAVED
from bursar.forecast.history import PARTS_MAX

LIMIT_MAX = 10_000

_YEAR = "20[0-9]{2}"
_DAY_OF_YEAR = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
_DATE = f"{_YEAR}-{_DAY_OF_YEAR}"
_WORDS = "[A-Za-z0-9 ._-]"


def _any_of(*words: str) -> str:
    return f"^({'|'.join(words)})?$"


PERIOD_PATTERN = _any_of(
    *PRESETS,
    "[1-9][0-9]{0,2}d",
    _YEAR,
    f"{_YEAR}-Q[1-4]",
    f"{_YEAR}-(0[1-9]|1[0-2])",
    f"{_YEAR}-W(0[1-9]|[1-4][0-9]|5[0-2])",
    _DATE,
    rf"{_DATE}\.\.{_DATE}",
)
DIMENSION_PATTERN = _any_of(*DIMENSIONS, f"tag:{_WORDS}{{1,64}}")
FILTER_PATTERN = (
    rf"^(({'|'.join(DIMENSIONS)}|tag:{_WORDS}{{1,64}})(=|!=|~=|\^=).{{0,200}}|{SAVED}!?=({'|'.join(LEVERS)})?)$"
)
SORT_PATTERN = _any_of(*(f"-?{name}" for name in SORTS))


def _pattern(text: str) -> dict[str, str]:
    return {"pattern": text}


def _one_of(names: Iterable[str]) -> dict[str, list[str]]:
    return {"enum": ["", *sorted(names)]}


Period = Annotated[
    str | None,
    QueryParameter(
        description="today, 7d, 30d (default), mtd, last-month, 2026-03, 2026-W12, 2026-03-01..2026-03-15, …",
        schema_extra=_pattern(PERIOD_PATTERN),
    ),
]
By = Annotated[
    str | None,
    QueryParameter(
        description="A dimension (feature, team, customer, model, …) or a tag as tag:NAME. Default: feature.",
        schema_extra=_pattern(DIMENSION_PATTERN),
    ),
]
SavingsBy = Annotated[
    str | None,
    QueryParameter(
        name="by",
        description="lever (the steps of the whole period alone), a dimension, a tag as tag:NAME, or hour, day, week, "
        "month. Default: feature.",
        schema_extra=_pattern(_any_of(*DIMENSIONS, *get_args(GrainName), f"tag:{_WORDS}{{1,64}}")),
    ),
]
SavingsSort = Annotated[
    str | None,
    QueryParameter(
        name="sort",
        description=f"{', '.join(SAVINGS_SORTS)}; a leading - turns it round. Default: saved. Months and such stand in "
        "their own order.",
        schema_extra=_pattern(_any_of(*(f"-?{name}" for name in SAVINGS_SORTS))),
    ),
]
WasteBy = Annotated[
    str | None,
    QueryParameter(
        description="Whose rows a CSV has: feature or credential_id. Default: feature.",
        schema_extra=_pattern("^(feature|credential_id)$"),
    ),
]
And = Annotated[
    str | None,
    QueryParameter(
        name="and", description="A second dimension, not the first one.", schema_extra=_pattern(DIMENSION_PATTERN)
    ),
]
Filters = Annotated[
    list[Annotated[str, QueryParameter(schema_extra=_pattern(FILTER_PATTERN))]] | None,
    QueryParameter(
        name="filter",
        max_items=FILTERS_MAX,
        description="Repeatable: feature=checkout, customer!=acme, model~=haiku, name^=prod, tag:plan=pro, "
        "saved=prompt_cache.",
    ),
]
Version = Annotated[int | None, QueryParameter(description="Of a kept report; the newest.", required=False)]
Zone = Annotated[
    str | None,
    QueryParameter(
        name="tz", description="An IANA zone whose midnights cut the days.", schema_extra=_one_of(available_timezones())
    ),
]
Limit = Annotated[int | None, QueryParameter(ge=1, le=LIMIT_MAX, description="How many groups come one by one.")]
Compare = Annotated[bool | None, QueryParameter(description="Also the period before. Default: true.")]
Sort = Annotated[
    str | None,
    QueryParameter(
        description=f"{', '.join(SORTS)}; a leading - turns it round. Default: cost.",
        schema_extra=_pattern(SORT_PATTERN),
    ),
]
ByTime = Annotated[
    GrainName | None, QueryParameter(name="grain", description="hour, day, week or month: a row for each.")
]
Order = Annotated[CallOrder | None, QueryParameter(description="Default: newest.")]
Cursor = Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")]
PageSize = Annotated[int | None, QueryParameter(ge=1, le=1_000, description="Calls a page. Default: 50.")]
Find = Annotated[str | None, QueryParameter(max_length=100, description="Words of a model's name.")]
Target = Annotated[
    str | None,
    QueryParameter(
        description="Another model, as provider/model. Default: the one that was called.",
        schema_extra=_pattern("^([a-z0-9._-]{1,40}/[A-Za-z0-9._:@/-]{1,120})?$"),
    ),
]
Replaced = Annotated[
    str | None,
    QueryParameter(max_length=400, description="Models that it replaces, separated by commas. Default: all."),
]
Tier = Annotated[
    Literal["", "standard", "flex", "priority", "batch"] | None, QueryParameter(description="Default: as it was.")
]
Percent = Annotated[float | None, QueryParameter(ge=0, le=100, description="A percentage, 0 to 100.")]
Growth = Annotated[
    str | None,
    QueryParameter(
        description="Percent a month by which it shall have grown, as a scenario.",
        schema_extra=_pattern("^(-?[1-9][0-9]?([.][0-9]{1,3})?)?$"),
    ),
]
PartLimit = Annotated[
    int | None, QueryParameter(name="limit", ge=1, le=PARTS_MAX, description="Parts told one by one. Default: 12.")
]
OutputPercent = Annotated[
    float | None, QueryParameter(ge=0, le=1_000, description="Output tokens, in percent of what they were.")
]
PricesOf = Annotated[
    str | None,
    QueryParameter(description="A day, whose prices hold. Default: now.", schema_extra=_pattern(_any_of(_DATE))),
]
Month = Annotated[
    str | None,
    QueryParameter(
        description="The last month, as 2026-10. Default: the last that is over.",
        schema_extra={"pattern": "^(20[0-9]{2}-(0[1-9]|1[0-2]))?$"},
    ),
]
Shape = Annotated[Literal["json", "csv"] | None, QueryParameter(name="format", description="json (default) or csv.")]


def _problem(description: str) -> ResponseSpec:
    return ResponseSpec(Problem, generate_examples=False, description=description, media_type=PROBLEM)


PROBLEMS = {
    400: _problem("A parameter can't be read: `field` names it, `detail` says what can be written."),
    403: _problem("Not asked by a name of this machine."),
    404: _problem("Nothing of that name."),
    405: _problem("The console only reads."),
    500: _problem("An error that wasn't foreseen; the console's log has it."),
    503: _problem("A part of Bursar that this answer needs isn't running."),
}

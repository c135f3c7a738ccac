"""What types alone don't say of a setting: each error names it, its limit and what to write instead."""

from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from bursar.config.settings import REGION_PLACE, Alerts, Cache, Config, Console, Control, Upstream, Watch
from bursar.domain.display import is_locale
from bursar.domain.errors import BadPeriod, ConfigError
from bursar.domain.ids import ATTEMPT_NUMBER_MAX
from bursar.domain.ladders import faults_of_ladder, rules_of
from bursar.domain.loops import COUNT_FIELDS, EXEMPT_BY, MONEY_FIELDS, TIME_FIELDS, Loops
from bursar.domain.periods import zone
from bursar.domain.routes import faults_of
from bursar.domain.scope import RETRY_SCOPES
from bursar.providers.bedrock_paths import BEDROCK, region_of
from bursar.providers.services import AUTHS, SERVICES, SIGV4

SEMANTIC_S_MAX = 60.0  # of a call's wait for the semantic cache, and of an embedding
WATCHED_TAGS_MAX = 15  # with the dimensions as many as one query of the watch groups by
HOLIDAYS_MAX = 100  # places and dates: each day asks them all


def check(config: Config) -> None:
    """Raises ConfigError for the first setting that can't be used."""
    _check_upstreams(config)
    for name, model in config.aliases.items():
        if not name or not model:
            raise ConfigError("an alias and its model can't be empty", field=f"aliases.{name}")
    for at, rule in enumerate(config.routes):
        for field, wrong in faults_of(rule, frozenset(config.upstreams)):
            raise ConfigError(f"routes[{at}] {rule.name!r}: {wrong}", field=f"routes[{at}].{field}")
    for at, ladder in enumerate(config.ladders):
        faults = faults_of_ladder(ladder)
        if not faults:  # what it comes to are routes
            faults = [fault for rule in rules_of(ladder) for fault in faults_of(rule, frozenset(config.upstreams))]
        for field, wrong in faults:
            raise ConfigError(f"ladders[{at}] {ladder.name!r}: {wrong}", field=f"ladders[{at}].{field}")
    _check_bills(config)
    if config.gateway.attempts_max > ATTEMPT_NUMBER_MAX:
        raise ConfigError(
            f"gateway.attempts_max is {config.gateway.attempts_max}; it can be {ATTEMPT_NUMBER_MAX} at most",
            field="gateway.attempts_max",
        )
    for field, value, least in (
        ("gateway.workers", config.gateway.workers, 1),
        ("gateway.attempts_max", config.gateway.attempts_max, 1),
        ("gateway.hidden_input_tokens_first", config.gateway.hidden_input_tokens_first, 0),
        ("gateway.body_bytes_max", config.gateway.body_bytes_max, 1024),
        ("gateway.file_bytes_max", config.gateway.file_bytes_max, 1024),
        ("gateway.journal_segment_bytes", config.gateway.journal_segment_bytes, 64 * 1024),
    ):
        if value < least:
            raise ConfigError(f"{field} is {value}; it must be at least {least}", field=field)
    for field, port in (("gateway.port", config.gateway.port), ("console.port", config.console.port)):
        if not 0 <= port <= 65535:
            raise ConfigError(f"{field} is {port}; it must be from 0 (any free one) to 65535", field=field)
    if config.gateway.budget_refusal_status not in (402, 429):
        raise ConfigError(
            f"gateway.budget_refusal_status is {config.gateway.budget_refusal_status}; it can be 402 or 429",
            field="gateway.budget_refusal_status",
        )
    _check_control(config.control)
    _check_cache(config.cache)
    _check_usd("gateway.retry_usd_max", config.gateway.retry_usd_max)
    _check_usd("gateway.retry_usd_per_hour_max", config.gateway.retry_usd_per_hour_max)
    if config.gateway.retry_scope not in RETRY_SCOPES:
        raise ConfigError(
            f"gateway.retry_scope is {config.gateway.retry_scope!r}; it can be {', '.join(RETRY_SCOPES)}",
            field="gateway.retry_scope",
        )
    _check_loops(config.loops)
    _check_console(config.console)
    _check_alerts(config.alerts)
    _check_watch(config.watch)


def _check_bills(config: Config) -> None:
    bills = config.bills
    for field, url in (("openai_url", bills.openai_url), ("anthropic_url", bills.anthropic_url)):
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"bills.{field} is {url!r}; it begins with https://", field=f"bills.{field}")
    if not 0.1 <= bills.every_h <= 168:
        raise ConfigError(f"bills.every_h is {bills.every_h}; it is from 0.1 to 168 hours", field="bills.every_h")
    if not 1 <= bills.days <= 180:
        raise ConfigError(f"bills.days is {bills.days}; it is from 1 to 180", field="bills.days")


def _check_upstreams(config: Config) -> None:
    for name, upstream in config.upstreams.items():
        if not upstream.base_url:
            raise ConfigError(
                f"upstreams.{name}.base_url is missing: where is it? Known without an address are "
                + ", ".join(known for known, service in SERVICES.items() if service.base_url),
                field=f"upstreams.{name}.base_url",
            )
        if upstream.auth not in AUTHS:
            raise ConfigError(
                f"upstreams.{name}.auth is {upstream.auth!r}; it can be {', '.join(AUTHS[1:])}, or empty",
                field=f"upstreams.{name}.auth",
            )
        if not upstream.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"upstreams.{name}.base_url must start with http:// or https://", field=f"upstreams.{name}.base_url"
            )
        _check_aws(name, upstream)


def _check_aws(name: str, upstream: Upstream) -> None:
    """What a signature needs, and that an id without its secret isn't sent as a key."""
    if REGION_PLACE in upstream.base_url:
        raise ConfigError(
            f"upstreams.{name}.region is missing: write the AWS region that it calls, such as us-east-1",
            field=f"upstreams.{name}.region",
        )
    if upstream.dialect != BEDROCK and upstream.auth != SIGV4:
        return
    has_id = upstream.api_key_env.endswith("ACCESS_KEY_ID")
    signs = upstream.auth in ("", SIGV4)
    if upstream.api_key_env and signs != has_id:
        raise ConfigError(
            f"upstreams.{name}.api_key_env is {upstream.api_key_env!r}; auth = {upstream.auth!r} "
            + ("needs a variable whose name ends in ACCESS_KEY_ID" if signs else "needs one with a Bedrock API key"),
            field=f"upstreams.{name}.api_key_env",
        )
    if signs and not (upstream.region or region_of(upstream.base_url)):
        raise ConfigError(
            f"upstreams.{name}.region is missing: a signature holds for one AWS region",
            field=f"upstreams.{name}.region",
        )


def _check_cache(cache: Cache) -> None:
    for field, value in (
        ("cache.memory_bytes_max", cache.memory_bytes_max),
        ("cache.disk_bytes_max", cache.disk_bytes_max),
    ):
        if value < 0:
            raise ConfigError(f"{field} is {value}; it can't be below 0, which is none", field=field)
    for field, seconds in (
        ("cache.semantic_wait_s", cache.semantic_wait_s),
        ("cache.embedding_timeout_s", cache.embedding_timeout_s),
    ):
        if not 0 < seconds <= SEMANTIC_S_MAX:
            raise ConfigError(f"{field} is {seconds}; from above 0 to {SEMANTIC_S_MAX} seconds", field=field)
    if not cache.redis_url:
        return
    address = urlsplit(cache.redis_url)
    if address.scheme not in ("redis", "rediss", "unix") or not (address.hostname or address.path):
        raise ConfigError("cache.redis_url is no address of Redis; write redis://host:6379/0", field="cache.redis_url")
    if address.password:
        raise ConfigError(
            "cache.redis_url holds a password; put it into an environment variable and name that in "
            "cache.redis_password_env",
            field="cache.redis_url",
        )


def _check_control(control: Control) -> None:
    """The address is written down for the site's processes, so it can't hold a password."""
    if control.url and not control.url.startswith("postgresql+psycopg://"):
        raise ConfigError("control.url is an address such as postgresql+psycopg://user@host/name", field="control.url")
    if ":" in control.url.removeprefix("postgresql+psycopg://").partition("@")[0] and "@" in control.url:
        raise ConfigError(
            "control.url holds a password, which would be written down; put it into PGPASSWORD or a .pgpass file",
            field="control.url",
        )


def _check_usd(field: str, text: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount < 1_000_000):
        raise ConfigError(f'{field} is {text!r}; write an amount of USD as text, such as "0.35"', field=field)


def _check_loops(loops: Loops) -> None:
    """A limit of 0 would cut everything, and a name that isn't one would exempt nothing."""
    for name in MONEY_FIELDS:
        _check_usd(f"loops.{name}", getattr(loops, name))
    for names, least in ((COUNT_FIELDS, 1), (TIME_FIELDS, 0.001)):
        for name in names:
            if getattr(loops, name) < least:
                raise ConfigError(
                    f"loops.{name} is {getattr(loops, name)}; it must be at least {least}", field=f"loops.{name}"
                )
    for one in loops.exempt:
        if one.partition("=")[0] not in EXEMPT_BY or "=" not in one:
            raise ConfigError(
                f"loops.exempt has {one!r}; write NAME=VALUE, and NAME one of {', '.join(EXEMPT_BY)}",
                field="loops.exempt",
            )


def _check_console(console: Console) -> None:
    """What each page would otherwise stumble over, and a currency that would put another sign before dollars."""
    try:
        zone(console.timezone)
    except BadPeriod as error:
        raise ConfigError(f"console.timezone: {error.message}", field="console.timezone") from error
    if console.currency != "USD":
        raise ConfigError(
            f"console.currency is {console.currency!r}; costs are in USD and Bursar has no exchange rates yet",
            field="console.currency",
        )
    if not is_locale(console.locale):
        raise ConfigError(
            f"console.locale is {console.locale!r}, which nobody writes numbers in; use one such as en_US or de_DE",
            field="console.locale",
        )


def _check_watch(watch: Watch) -> None:
    if len(watch.tags) > WATCHED_TAGS_MAX or not all(watch.tags):
        raise ConfigError(f"watch.tags names at most {WATCHED_TAGS_MAX} tags, none of them empty", field="watch.tags")
    if len(watch.holidays) > HOLIDAYS_MAX or not all(watch.holidays):
        raise ConfigError(
            f"watch.holidays names at most {HOLIDAYS_MAX} places and dates, none of them empty", field="watch.holidays"
        )


def _check_alerts(alerts: Alerts) -> None:
    if not 1 <= alerts.look_every_s <= 3_600:
        raise ConfigError(
            f"alerts.look_every_s is {alerts.look_every_s}; it must be from 1 to 3600", field="alerts.look_every_s"
        )
    if alerts.console_url and not alerts.console_url.startswith(("http://", "https://")):
        raise ConfigError("alerts.console_url must start with http:// or https://", field="alerts.console_url")

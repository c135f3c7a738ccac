"""One tree of errors. Each has a stable `code` (listed in docs/errors.md) and the HTTP status it answers with."""


class BursarError(Exception):
    """The base. `message` is written for the person who must act; `field` names what was wrong with the input.

    retry: whether the same request may succeed later; a client SDK must not retry when False.
    """

    code = "internal_error"
    status = 500
    retry = False

    def __init__(self, message: str, *, field: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.headers = headers or {}
        self.details: dict[str, str] = {}  # what else a refusal says in a dialect's envelope


class BadRequest(BursarError):
    """The request can't be read; nothing was sent on."""

    code, status = "bad_request", 400


class InvalidJson(BadRequest):
    code = "invalid_json"


class MissingField(BadRequest):
    code = "missing_field"


class BadTags(BadRequest):
    code = "bad_tags"


class BadPeriod(BadRequest):
    """A period, time zone or grain that can't be read."""

    code = "bad_period"


class BadWindow(BadRequest):
    """A budget's window, or a change of its limit, that can't be read or contradicts itself."""

    code = "bad_window"


class BadBudget(BadRequest):
    """A budget that can't be read or contradicts itself."""

    code = "bad_budget"


class BadControl(BadRequest):
    """A policy, limit, kill, route or cache rule that can't be read or contradicts itself; `field` names the part."""

    code = "bad_control"


class BadGate(BadRequest):
    """Weights of a quality gate, or examples to train them with, that can't be used; the message says what to do."""

    code = "bad_gate"


class BadContract(BadRequest):
    """Terms of a contract that can't be."""

    code = "bad_contract"


class BadControlFile(BadRequest):
    """A control file that can't be read, or says what can't be; the message names the line and the part."""

    code = "bad_control_file"


class BadPrice(BadRequest):
    """A price that can't be used as it is written; the message says why, and what to write."""

    code = "bad_price"


class BadTax(BadRequest):
    """A tax case, document, position or rule that can't be read or lacks something; `field` names it."""

    code = "bad_tax"


class BadQuery(BadRequest):
    """A question the ledger can't be asked: no such dimension, measure or filter."""

    code = "bad_query"


class NotTranslatable(BadRequest):
    """Translating the request would leave something out, and the caller wants it whole (`x-bursar-strict`). Nothing
    was sent. Its detail `dropped` lists what."""

    code = "not_translatable"


class BodyTooLarge(BursarError):
    code, status = "body_too_large", 413


class ClientStalled(BursarError):
    """The client began a request and stopped sending it. Nothing was sent on; the same request may come again."""

    code, status, retry = "client_stalled", 408, True


class Unauthenticated(BursarError):
    """No key, or one that Bursar doesn't know and may not pass through."""

    code, status = "unauthenticated", 401


class KeyRevoked(Unauthenticated):
    code = "key_revoked"


class Forbidden(BursarError):
    code, status = "forbidden", 403


class PolicyRule(BursarError):
    """A policy says no. Its details: `rule`, which kind of rule, such as denied_model; `denied_value`, what it
    refused; `policy`, its id."""

    code, status = "policy_rule", 403


class Killed(BursarError):
    """An operator stopped what this call belongs to."""

    code, status = "killed", 403


class RateLimited(BursarError):
    """A limit on requests, tokens or concurrency has no room now; `retry-after` says when it may."""

    code, status, retry = "rate_limited", 429, True


class UpgradeRequired(BursarError):
    """The address speaks websocket alone, and the request doesn't ask for one as RFC 6455 says."""

    code, status = "upgrade_required", 426


class UnknownRoute(BursarError):
    code, status = "unknown_route", 404


class UnknownCall(BursarError):
    code, status = "unknown_call", 404


class MethodNotAllowed(BursarError):
    code, status = "method_not_allowed", 405


class NoUpstream(BursarError):
    """No upstream is configured for this dialect or model."""

    code, status = "no_upstream", 404


class NoUpstreamKey(BursarError):
    """The caller has a Bursar key, and Bursar has none of the provider's: the operator has to set it."""

    code, status = "no_upstream_key", 503


class Unpriced(BursarError):
    """A price was needed and there is none."""

    code, status = "unpriced", 402


class LoopCut(BursarError):
    """The call belongs to a loop that was cut; nothing was sent. `retry-after` says for how long."""

    code, status = "loop_cut", 429


class UnknownLoop(BursarError):
    """No cut in force has this id."""

    code, status = "unknown_loop", 404


class UpstreamUnreachable(BursarError):
    """The connection failed before anything was sent: the provider has billed nothing."""

    code, status, retry = "upstream_unreachable", 502, True


class UpstreamBroken(BursarError):
    """The upstream broke off after the request was sent: it may have billed."""

    code, status = "upstream_broken", 502
    response_started = False  # whether the head of an answer had come


class UpstreamTimeout(BursarError):
    """The request was sent and the answer is too slow: it may have billed."""

    code, status = "upstream_timeout", 504
    stage = "first_byte"  # or "idle": between two pieces of the answer


class Overloaded(BursarError):
    """This worker's own bound on waiting calls is reached; nothing was sent."""

    code, status, retry = "overloaded", 503, True


class Unavailable(BursarError):
    """Part of Bursar that this answer needs is not running."""

    code, status, retry = "unavailable", 503, True


class ConfigError(BursarError):
    """A setting can't be used. `field` is its dotted name."""

    code, status = "bad_config", 500


class LedgerBusy(BursarError):
    """Another process owns the ledger file."""

    code, status = "ledger_busy", 503


class BudgetExhausted(BursarError):
    """A hard budget has no room for what the call could cost. Nothing was sent.

    left_pico: what is left of it, in pico-USD. may_clamp: its mode is clamp, so a smaller call may pass.
    """

    code, status = "budget_exhausted", 402
    left_pico = 0
    may_clamp = False


class BudgetThrottled(BursarError):
    """A budget is past its `throttle` threshold, and this minute's calls were made. Nothing was sent."""

    code, status, retry = "budget_throttled", 429, True


class BudgetApprovalRequired(BursarError):
    """A budget is past its `approve` threshold, and nobody let calls go on yet. Nothing was sent."""

    code, status = "budget_approval_required", 402


class BudgetUnpriced(BursarError):
    """A hard budget touches a call whose cost nobody can bound: its model has no price. Nothing was sent."""

    code, status = "budget_unpriced", 402


class BudgetsUnavailable(BursarError):
    """A hard budget touches the call, and the control store that keeps it can't be reached. Nothing was sent."""

    code, status, retry = "budgets_unavailable", 503, True


class UnknownJob(BursarError):
    """No batch, file or kept response of this key's organization, team and project has this id."""

    code, status = "unknown_job", 404


class JobsUnavailable(BursarError):
    """Batches and files can't be served: the control store, which says whose they are, can't be reached."""

    code, status, retry = "jobs_unavailable", 503, True


class UnknownBudget(BursarError):
    """No budget has this name or id."""

    code, status = "unknown_budget", 404


class UnknownControl(BursarError):
    """No policy, limit, kill, route or cache rule in force has this name or id."""

    code, status = "unknown_control", 404


class UnknownContract(BursarError):
    """No contract has this name or id."""

    code, status = "unknown_contract", 404


class UnknownAdvice(BursarError):
    """No advice of this id is given on this period."""

    code, status = "unknown_advice", 404


class BadEvidence(BadRequest):
    """What a person says of a check of maturity that can't be kept: Bursar measures that itself, or it says too
    little. `field` says which part."""

    code = "bad_evidence"


class UnknownEvidence(BursarError):
    """No evidence in force has this number."""

    code, status = "unknown_evidence", 404


class UnknownKey(BursarError):
    """No virtual key has this name or id."""

    code, status = "unknown_key", 404


class NameTaken(BursarError):
    """Something of this kind has the name already."""

    code, status = "name_taken", 409


class ChangedMeanwhile(BursarError):
    """Somebody else changed or removed it between looking and saving. Nothing was changed by this one."""

    code, status = "changed_meanwhile", 409


class BadAlert(BadRequest):
    """An alert's rule or channel that can't be used; `field` says which part."""

    code = "bad_alert"


class UnknownAlert(BursarError):
    """No alert, rule or channel of alerts has this name or id."""

    code, status = "unknown_alert", 404


class UnknownAnomaly(BursarError):
    """No anomaly, or more than one, has this id."""

    code, status = "unknown_anomaly", 404


class BadMarker(BadRequest):
    """A marker can't be as it was told; `field` says which part."""

    code = "bad_marker"


class DeliveryFailed(BursarError):
    """A channel didn't take a message. It is sent again later; the message here says what the channel said."""

    code, status, retry = "delivery_failed", 502, True


class BadScenario(BadRequest):
    """A scenario that can't be read, or says what can't be tried; `field` names the step's part."""

    code = "bad_scenario"


class UnknownScenario(BursarError):
    """No saved scenario has this name or id."""

    code, status = "unknown_scenario", 404


class BadBusiness(BadRequest):
    """Business data that can't be read: the message names the line, the column and the limit, and nothing was kept."""

    code = "bad_business"


class UnknownCustomer(BursarError):
    """No call, no record: nobody is known by that id."""

    code, status = "unknown_customer", 404

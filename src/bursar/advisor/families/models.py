"""A cheaper model for one kind of request: proven by shadows or experiments where they ran, else to be tried first.

What a candidate costs is measured where it ran: its own tokens and its own length of answers are in it. Where it
didn't, nothing is known of its answers, so the advice is to run a shadow.
"""

from collections.abc import Iterable
from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import draft_name, match_of, route_draft
from bursar.advisor.families.arms import arm_proofs
from bursar.advisor.families.proofs import COMPARED_MIN, SIGMAS, Proof, shadow_proofs
from bursar.advisor.giving import give
from bursar.advisor.look import SEGMENT_COLUMNS, Look, Segment, Slice, total
from bursar.domain.routes import RouteRule, Shadow, Target

SHORT_ANSWER = 64  # tokens, half of them: classes, extracts, yes and no
CHEAPER = Decimal("0.6")  # a candidate costs at most this share, or it isn't worth a trial
CHEAPER_PROVEN = 0.98
PAIRS_WANTED = 400
PERCENT_MAX, PERCENT_MIN = 20.0, 0.5
RATIO_DOUBT = 0.25  # of tokens and length on another model, before anything ran there


def take_cheaper_models(look: Look) -> list[Advice]:
    """At most one for a segment: the cheapest that is proven, else one to try if its answers are short."""
    seen: dict[Segment, list[Proof]] = {}
    for proof in (*shadow_proofs(look), *arm_proofs(look)):
        seen.setdefault(proof.segment, []).append(proof)
    found = []
    for segment in look.segments:
        if not look.worth_a_look(segment):
            continue
        shown = seen.get(segment, [])
        proven = [one for one in shown if one.holds and one.cost_ratio < CHEAPER_PROVEN]
        if proven:
            advice = _proven(look, segment, min(proven, key=lambda one: one.cost_ratio))
            found += [advice] if advice is not None else []
        elif (advice := _to_try(look, segment, {one.model for one in shown})) is not None:
            found.append(advice)
    return found


def _proven(look: Look, segment: Segment, proof: Proof) -> Advice | None:
    kept = Decimal(repr(proof.cost_ratio))
    daily = look.saved(look.segments[segment], lambda one: one.cost * kept)
    if not look.is_worth(daily):
        return None
    doubt = SIGMAS * proof.ratio_error / (1 - proof.cost_ratio)
    home = look.homes[segment]
    rule = RouteRule(
        name=draft_name("route", segment), match=match_of(look, segment),
        targets=(Target(proof.upstream, proof.model), Target(home.upstream)),
    )  # fmt: skip
    return give(
        look, "cheaper_model", segment, look.claim(segment), look.monthly(daily, doubt),
        title=f"Answer {segment.name} with {proof.model}",
        why=proof.words,
        change=route_draft(
            rule, f"{home.upstream}/{home.model_sent}", f"{proof.upstream}/{proof.model} first, then {home.upstream}"
        ),
        confidence="sampled", effort="low", risk="medium",
        doubts=(
            "What was measured, agreement or feedback, is a part of what makes an answer good.",
            "The calls that were tried may differ from what is to come.",
        ),
    )  # fmt: skip


def _to_try(look: Look, segment: Segment, tried: Iterable[str]) -> Advice | None:
    """A shadow on the cheapest model that this provider's other calls use already, where the answers are short."""
    slices = look.segments[segment]
    if not _is_simple(look, segment):
        return None
    candidates = {
        (other.model, look.homes[other].model_sent)
        for other in look.segments
        if other.provider == segment.provider and other.model != segment.model
        and look.homes[other].model_sent not in set(tried)
    }  # fmt: skip
    cost = total(look.saved(slices, lambda _: Decimal(0)))
    priced = []
    for model, sent in sorted(candidates):
        would = [look.price(one, look.sheet(one, model=model)) for one in slices]
        if all(part is not None for part in would):
            priced.append((sum((part for part in would if part is not None), Decimal(0)), model, sent))
    priced = [one for one in priced if one[0] <= CHEAPER * cost]
    if not priced:
        return None
    would_cost, model, sent = min(priced)
    attempts = sum(one.attempts for one in slices)
    a_month = Decimal(attempts) / look.months
    percent = min(max(100.0 * PAIRS_WANTED / float(a_month), PERCENT_MIN), PERCENT_MAX)
    home = look.homes[segment]
    rule = RouteRule(
        name=draft_name("shadow", segment), match=match_of(look, segment), targets=(Target(home.upstream),),
        shadow=Shadow(sent, Target(home.upstream, sent), round(percent, 1)),
    )  # fmt: skip
    trial = would_cost / look.months * Decimal(round(percent, 1)) / 100
    daily = look.saved(slices, lambda one: _there(look, one, model))
    if not look.is_worth(daily):
        return None
    return give(
        look, "cheaper_model", segment, look.claim(segment), look.monthly(daily, RATIO_DOUBT),
        title=f"Try {sent} for {segment.name}, as a shadow first",
        why=f"Half of these answers have at most {SHORT_ANSWER} tokens, and other calls of yours use {sent}. The "
        f"shadow costs about ${trial:.2f} a month; after {COMPARED_MIN} compared answers it says if it is good enough.",
        change=route_draft(
            rule, f"{home.upstream}/{home.model_sent}", f"the same, and {rule.shadow.percent:g} % also to {sent}"  # type: ignore[union-attr]  # it has just been made
        ),
        confidence="estimated", effort="low", risk="low", is_proven=False, about=sent,
        doubts=(
            "Nothing is known yet of how good its answers are.",
            "Its tokens and the length of its answers are taken to be the same.",
        ),
    )  # fmt: skip


def _there(look: Look, one: Slice, model: str) -> Decimal | None:
    return look.price(one, look.sheet(one, model=model))


def _is_simple(look: Look, segment: Segment) -> bool:
    """Whether the answers are short and nothing is done by them."""
    return segment in look.once("simple", _simple)


def _simple(look: Look) -> frozenset[Segment]:
    keys = ", ".join(SEGMENT_COLUMNS)
    rows = look.ask(
        f"""
        SELECT {keys} FROM {{base}} GROUP BY ALL
        HAVING quantile_disc(total_output, 0.5) <= {SHORT_ANSWER} AND bool_and(operation = 'chat' AND session = ''
          AND finish_reason NOT IN ('tool_calls', 'tool_use'))
        """
    )
    return frozenset(Segment(*(row[name] for name in SEGMENT_COLUMNS)) for row in rows)

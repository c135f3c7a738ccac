"""Which anomalies a rule is about: those that cost enough, and that nobody called false or expected."""

from bursar.alerts import rules
from bursar.domain.findings import Finding as Anomaly
from bursar.domain.money import usd_from_pico
from bursar.domain.watching import Label, Signal
from bursar.watch.telling import per_day_pico

SO_FAR = 100  # an anomaly must have cost a hundredth of what a day of it must cost
_AS_SERIES = {"credential": "credential_id"}


def tells_of(what: rules.Anomaly, one: Anomaly) -> bool:
    """Whether a rule is about a finding: nobody said that it is false or expected, and it costs enough.

    At its pace, and a SO_FAR-th of it by now: one odd minute is no day. A silence costs less than was to be expected:
    as much of it counts.
    """
    if one.label in (Label.FALSE, Label.EXPECTED):
        return False
    daily, so_far = usd_from_pico(per_day_pico(one)), usd_from_pico(one.excess_pico)
    if Signal.SILENCE in one.signals:
        daily, so_far = abs(daily), abs(so_far)
    series = {(each.dimension, each.value) for each in (one.series, *one.nested)}
    wanted = [(_AS_SERIES.get(each.field, each.field), each.values) for each in rules.read_filters(what.filters)]
    is_dear = daily >= what.excess_usd_per_day and so_far * SO_FAR >= what.excess_usd_per_day
    return is_dear and all(any((field, value) in series for value in values) for field, values in wanted)

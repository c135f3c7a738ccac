"""What the made-up company has decided: a handful of budgets, a limit and policies, as the control file of an operator.

Amounts fit the history of `simulate.cast` at its usual 4,000 calls a day, some $200 of them: most budgets are well on
their way through the month, and one customer comes near its day's share.
"""

from datetime import date

_CONTROLS = """\
version: 1
budgets:
  platform team:
    limit: 1600
    where: {team: platform}
    thresholds: [50, 80, 95]
    contact: platform-leads@example.com
  each customer a day:
    limit: 75
    window: day
    each: customer
    contact: success@example.com
  support bot, Europe:
    limit: 1400
    currency: EUR
    rate: {usd: 1.08, source: made up for the demo, as_of: TODAY}
    where: {feature: support-bot}
    mode: warn
    thresholds: [50, 80, 100]
    contact: finance@example.com
  research agent:
    limit: 9
    window: rolling:24h
    where: {agent: research-agent}
    mode: clamp
    thresholds: [60, 80 throttle=30, 95 approve]
limits:
  each customer's pace:
    each: customer
    requests_per_minute: 60
    concurrent: 20
policies:
  known providers:
    allow_providers: [openai, anthropic]
    require_tags: [feature]
    on_missing: warn
  tickets on a small model:
    match: {feature: classify-ticket}
    force_models: {classify: claude-haiku-4-5}
    enabled: false
"""


def demo_controls(today: date) -> bytes:
    """The file. today: as of when its exchange rate is."""
    return _CONTROLS.replace("TODAY", today.isoformat()).encode()

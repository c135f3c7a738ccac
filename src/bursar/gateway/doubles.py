"""Fields that stand twice in a request: which of them a provider heeds is its own affair, and the bill follows that.

So where anything here decides by what a call asks for (a policy, a limit, a kill, a route, a budget that refuses), such
a call is refused. It doesn't matter which calls a rule is about: the field in doubt may be what it goes by.
"""

from bursar.domain.errors import BadRequest
from bursar.gateway.call import Worker
from bursar.providers.forms import is_form
from bursar.providers.reading import UNREADABLE
from bursar.providers.splice import doubled_field


def has_controls(worker: Worker, mode: str) -> bool:
    """Whether anything in force decides by what calls ask for. mode: the one that the client asks for, or ""."""
    return worker.decider.is_active or worker.budgeting.index.may_refuse or worker.route_table.is_active or bool(mode)


def refuse_doubles(body: bytes) -> None:
    """Raises BadRequest, with the field, for a body that gives one twice. A form's are looked at by its own reader; a
    deletion has none."""
    if not body or is_form(body):
        return
    try:
        field = doubled_field(body)
    except UNREADABLE as error:
        raise BadRequest("the body can't be read beyond doubt; send it as plain JSON in UTF-8", field="body") from error
    if field:
        raise BadRequest(
            f"{field} is given more than once, and rules of this site go by what a call asks for: send it once",
            field=field,
        )

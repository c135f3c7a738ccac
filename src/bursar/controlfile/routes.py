"""The routes of a control file by themselves: what a table is tried with before it is applied."""

from bursar.controlfile.document import Document
from bursar.controlfile.sections import read_route
from bursar.domain.errors import BursarError
from bursar.domain.routes import RouteRule
from bursar.governance.routes import RouteBook


def read_routes(data: bytes, book: RouteBook) -> list[RouteRule]:
    """Those of a file's `routes` section that are on, in the order in which they would be asked.

    Raises BadControlFile that names the line.
    """
    document = Document(data)
    section = document.value.get("routes") if isinstance(document.value, dict) else None
    if not isinstance(section, dict):
        raise document.error((), "the file has no section `routes`")
    rules = []
    for name, entry in section.items():
        place = ("routes", name)
        if not isinstance(entry, dict):
            raise document.error(place, "a route has fields, such as targets")
        try:
            is_on, rule = read_route(name, entry)
            if is_on:
                rules.append(book.resolve(rule))
        except BursarError as error:
            raise document.error((*place, error.field) if error.field else place, error.message) from error
    return sorted(rules, key=lambda rule: rule.position)


def read_one_route(name: str, data: bytes) -> RouteRule:
    """One route's fields as a file of their own. Raises BadControlFile that names the line."""
    document = Document(data)
    if not isinstance(document.value, dict):
        raise document.error((), "a route has fields, such as targets")
    try:
        return read_route(name, document.value)[1]
    except BursarError as error:
        raise document.error((error.field,) if error.field else (), error.message) from error

"""An uploaded file: looked at with what would come of it, then brought in; one page for every kind of file."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.context import ConsoleContext
from bursar.console.pages.serving import Asked, fields_of, html
from bursar.console.uploads.bills import BillTarget
from bursar.console.uploads.business import COLUMN, CONSTANT, BusinessTarget
from bursar.console.uploads.exchange import RateTarget
from bursar.console.uploads.parts import Look, Target
from bursar.console.uploads.shelf import Outcome, Upload
from bursar.domain.errors import BadControl, BodyTooLarge, BursarError

TARGETS: Mapping[str, Target] = {"customers": BusinessTarget(), "bills": BillTarget(), "rates": RateTarget()}
UPLOAD_BYTES_MAX = max(one.limit for one in TARGETS.values())
OWN = ("csrf", "act", "upload", "name")
"""Fields of the form that say nothing of the file."""


def upload_parts(context: ConsoleContext, upload: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Everything the template reads. Raises UnknownControl for a file that isn't here any more."""
    one = context.uploads().one(upload)
    target = TARGETS[one.target]
    is_done = one.outcome is not None and one.outcome.is_kept
    return {
        "data": {
            "upload": one,
            "target": target,
            "look": Look(asks=[]) if is_done else target.look(context, one, given),
            "outcome": one.outcome,
            "column": COLUMN,
            "constant": CONSTANT,
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def take_upload(context: ConsoleContext, form: Mapping[str, Any]) -> str:
    """Put a file on the shelf; where it can be looked at. Raises Forbidden, BadControl, BodyTooLarge."""
    context.check_form({name: value for name, value in form.items() if isinstance(value, str)})
    name, file = str(form.get("for", "")), form.get("file")
    if name not in TARGETS:
        raise BadControl(f"for is {name[:40]!r}; it can be {', '.join(TARGETS)}", field="for")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadControl("file: choose a file first", field="file")
    one = context.uploads().put(name, file.filename, file.file)
    limit = TARGETS[name].limit
    if not 0 < one.size <= limit:
        context.uploads().drop(one.upload_id)
        if not one.size:
            raise BadControl("file: it is empty", field="file")
        raise BodyTooLarge(f"the file has {one.size:,} bytes; at most {limit:,}: divide it", field="file")
    return f"/uploads/{one.upload_id}"


def change_upload(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Look again, keep it, save how it is read, or let it go; where that leads.

    Raises Forbidden, UnknownControl, BadControl; what is wrong with the file itself is told on its page.
    """
    context.check_form(form)
    shelf = context.uploads()
    one = shelf.one(form.get("upload", ""))
    target = TARGETS[one.target]
    given = {name: value for name, value in form.items() if name not in OWN and value}
    here = f"/uploads/{one.upload_id}"
    match form.get("act", ""):
        case "drop":
            shelf.drop(one.upload_id)
            return target.back
        case "keep":
            if one.outcome is None or not one.outcome.is_kept:
                shelf.tell(one, _kept(context, target, one, given))
        case "save":
            target.save(context, one, given, form.get("name", "").strip())
            given = {name: value for name, value in given.items() if not name.startswith((COLUMN, CONSTANT))}
            return f"{here}?{urlencode(given | {'mapping': form.get('name', '').strip()})}"
        case "look":
            pass
        case act:
            raise BadControl(f"act is {act[:40]!r}; it can be look, keep, save or drop", field="act")
    return f"{here}?{urlencode(given)}" if given else here


def _kept(context: ConsoleContext, target: Target, one: Upload, given: Mapping[str, str]) -> Outcome:
    try:
        return target.keep(context, one, given)
    except BursarError as error:
        return Outcome(False, [error.message])


@post("/uploads", include_in_schema=False, status_code=303, request_max_body_size=UPLOAD_BYTES_MAX + 65_536)
async def upload(request: Asked) -> Redirect:
    """The form with a file. Its parts go to disk as they come; the limit is that of the stream."""
    form = await request.form()
    target = await asyncio.to_thread(take_upload, request.app.state.context, dict(form.items()))
    return Redirect(target, status_code=303)


@get("/uploads/{name:str}", include_in_schema=False)
async def uploaded(request: Asked, name: FromPath[str]) -> Response[Any]:
    """What would come of it, as its address understands it."""
    context: ConsoleContext = request.app.state.context
    given = {key: str(value) for key, value in request.query_params.items()}

    def make() -> Response[Any]:
        parts = upload_parts(context, name, given)
        target: Target = parts["data"]["target"]
        view = context.view(f"/uploads/{name}", {})
        return html(request, view, "upload.html", target.nav, f"{target.title}: a file", lambda _f: parts)

    return await asyncio.to_thread(make)


@post("/uploads/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The buttons of its page."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_upload, request.app.state.context, fields)
    return Redirect(target, status_code=303)


UPLOAD_PAGES = [upload, uploaded, change]

"""How a page is served: read its address, build it, or its `.json` or `.csv` twin, from the same figures."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.response import Redirect

from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.render import Renderer
from bursar.console.view import View, canonical

CSV = "text/csv"  # Litestar adds the charset
NO_STORE = {"cache-control": "no-store"}
Asked = Request[Any, Any, Any]


def answer(request: Asked, path: str, suffix: str, build: Callable[[View], Response[Any]]) -> Response[Any]:
    """Read the address, lead a plain form's answer to its one spelling, else build."""
    context: ConsoleContext = request.app.state.context
    query = request.query_params.dict()
    lists = {
        name: [str(v) for v in value] if isinstance(value, list) else [str(value)] for name, value in query.items()
    }
    view = context.view(path, lists)
    if not suffix and (target := canonical(view, lists)) is not None:
        return Redirect(target, status_code=303)
    return build(view)


def html(
    request: Asked,
    view: View,
    template: str,
    page: str,
    title: str,
    build: Callable[[Format], dict[str, Any]],
    *,
    status: int = 200,
    **more: Any,
) -> Response[Any]:
    """A page, never kept by caches: the figures move."""
    renderer: Renderer = request.app.state.renderer
    parts = build(renderer.format(view))
    text = renderer.page(template, view, page=page, title=title, **more, **parts)
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=NO_STORE)


def as_json(value: Any) -> Response[Any]:
    return Response(msgspec.json.encode(value), media_type=MediaType.JSON, headers=NO_STORE)


def as_csv(content: bytes) -> Response[Any]:
    return Response(content, media_type=CSV, headers=NO_STORE)


def suffix_of(request: Asked) -> str:
    path = request.url.path
    return next((suffix for suffix in ("json", "csv") if path.endswith(f".{suffix}")), "")


async def fields_of(request: Asked) -> dict[str, str]:
    """What a form says. `guard.py` has looked where it comes from; its token is looked at by whoever acts on it."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}

"""The console's addresses, read once in each process that runs tests: a third of a second, for hundreds of consoles."""

import copy
import functools
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.events import SimpleEventEmitter

from bursar.console import app


@pytest.fixture(scope="session", autouse=True)
def routes_made_once() -> Iterator[None]:
    """Each console has a copy with a state and a start of its own. For a directory's conftest.py to import."""
    made = functools.cache(app.make_routes)

    def copied() -> Litestar:
        routes = copy.copy(made())
        routes.state = State()
        routes.event_emitter = SimpleEventEmitter(listeners=[])
        routes.asgi_router = copy.copy(routes.asgi_router)
        routes.asgi_router.app = routes
        return routes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "make_routes", copied)
        yield

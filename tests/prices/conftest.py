"""The installed catalogue, compiled once for all price tests."""

from collections.abc import Callable

import msgspec
import pytest

from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book, compile_rows
from bursar.prices.overrides import read_overrides
from bursar.prices.rows import Fault

MakeBook = Callable[[str], tuple[PriceBook, list[Fault]]]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    """The catalogue without local prices."""
    path = tmp_path_factory.mktemp("prices") / "prices.msgpack"
    assert compile_book(path, None) == []
    return PriceBook.load(path)


@pytest.fixture(scope="session")
def book_with() -> MakeBook:
    """Makes a book with the local prices of a TOML text, and gives the faults of that text."""
    compiled, _ = compile_rows(None)

    def make(toml: str) -> tuple[PriceBook, list[Fault]]:
        local = read_overrides(toml)
        rows = msgspec.structs.replace(compiled, overrides=local.rows, accepted=local.accepted)
        return PriceBook(rows), local.faults

    return make

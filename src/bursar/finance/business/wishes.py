"""What is asked of a file, from the parameters of the API or of a command."""

from collections.abc import Mapping

import msgspec

from bursar.domain.errors import BadBusiness
from bursar.finance.business.bringing import KINDS, Wish
from bursar.finance.business.mapping import Reading
from bursar.finance.business.mappings import MappingBook


def wish_of(mappings: MappingBook, given: Mapping[str, str]) -> Wish:
    """given: kind, source, mapping, columns, constants, customer_key, trial, skip_faults; what isn't said is "".

    Raises UnknownControl for a mapping that isn't there, BadBusiness for a kind or column that can't be.
    """
    kind, name = given.get("kind", ""), given.get("mapping", "")
    if kind not in KINDS:
        raise BadBusiness(f"kind is {kind[:40]!r}; it can be {', '.join(KINDS)}", field="kind")
    reading = mappings.one(name) if name else None
    columns, constants = (_pairs(part, given.get(part, "")) for part in ("columns", "constants"))
    if columns or constants:
        reading = reading or Reading(kind=kind)  # type: ignore[arg-type]  # one of KINDS
        reading = msgspec.structs.replace(
            reading, columns=reading.columns | columns, constants=reading.constants | constants
        )
    return Wish(
        kind=kind, source=given.get("source") or "api", reading=reading,
        customer_key=given.get("customer_key") or "id", is_trial=given.get("trial") == "1",
        skip_faults=given.get("skip_faults") == "1",
    )  # fmt: skip


def _pairs(name: str, text: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    for field, sign, value in pairs:
        if not (field.strip() and sign and value.strip()):
            raise BadBusiness(f"{name}: {field[:60]!r} isn't field=HEAD", field=name)
    return {field.strip(): value.strip() for field, _, value in pairs}

"""What contracts post that stands for no call, as rows of commitments: what was bought ahead, and what was not used.

Such a charge says in `sku_id` what it is, and in its reason of which contract (`contracts/rating.py`); what kind of
promise a purchase was, the contract's terms say. The rows are made of the charges themselves, so that nothing is
counted twice and the file's sums stay the ledger's.
"""

from collections.abc import Iterator, Sequence

from bursar.finance.contracts.terms import Contract
from bursar.finance.focus.words import PURCHASE, UNUSED

_IS_OURS = "entry = 'adjustment' AND starts_with(reason, 'contract ')"
_CONTRACT = "regexp_extract(reason, '^contract (.*), version [0-9]+$', 1)"
PART = (
    f"CASE WHEN {_IS_OURS} AND starts_with(sku_id, 'contract/purchase/') THEN '{PURCHASE}' "
    f"WHEN {_IS_OURS} AND regexp_matches(sku_id, '^contract/(idle|unused|expired)/') THEN '{UNUSED}' END"
)
"""Over a profile of charges: the class of its row; NULL: it is about no commitment."""
PROMISE_NAME = "regexp_replace(sku_id, '^contract/[a-z]+/', '')"
PROMISE_ID = f"{_CONTRACT} || '/' || {PROMISE_NAME}"


def promises_of(contracts: Sequence[Contract]) -> Iterator[tuple[str, str]]:
    """(id, kind in words) of all that any version of a contract promised; a later version's kind holds."""
    found: dict[str, str] = {}
    for contract in contracts:
        for version in contract.versions:
            terms = version.terms
            found |= {f"{contract.name}/{one.name}": "Prepaid credit" for one in terms.credits}
            found |= {f"{contract.name}/{one.name}": "Committed spend" for one in terms.commitments}
            found |= {f"{contract.name}/{one.name}": "Reserved capacity" for one in terms.capacities}
    yield from found.items()

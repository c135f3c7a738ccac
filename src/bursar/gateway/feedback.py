"""`POST /bursar/feedback`: what a user thought of an answer, by the id in its `x-bursar-call-id`."""

from uuid import UUID

import msgspec

from bursar.domain.errors import BadRequest
from bursar.spool.records import Scored

FEEDBACK_BYTES_MAX = 4_096
TAKEN = b'{"taken":true}'


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    call_id: str
    score: float


def read_feedback(body: bytes, credential_id: str, now_us: int) -> Scored:
    """`{"call_id": "018b…", "score": 0.8}` as a record. Raises BadRequest that names the field."""
    try:
        given = msgspec.json.decode(body, type=_Feedback)
    except msgspec.DecodeError as error:
        raise BadRequest(
            f'feedback is {{"call_id": "…", "score": 0.8}}, the score from 0 to 1: {error}', field="body"
        ) from error
    try:
        call_id = str(UUID(given.call_id))
    except ValueError as error:
        raise BadRequest("call_id is the id of an answer's x-bursar-call-id header", field="call_id") from error
    if not 0 <= given.score <= 1:
        raise BadRequest("score is from 0 (bad) to 1 (good)", field="score")
    return Scored(now_us, call_id, credential_id, given.score)

"""How a run of requests becomes a batch, word for word: what each provider's batch API takes.

Source: OpenAI's Batch API guide, Anthropic's Message Batches, Gemini's Batch Mode, Bedrock's batch inference, 2026-10;
`docs/batches.md` says which go through the gateway.
"""

from bursar.advisor.look import Home

PLACES = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "openai-embeddings": "/v1/embeddings",
    "openai-completions": "/v1/completions",
}
PLACE_ELSE = "/v1/chat/completions"
TOGETHER = (
    "nothing in the gateway makes a batch of live calls: send those of a run together; BODY is a call's body as now"
)

_ANTHROPIC = (
    'POST /v1/messages/batches with {"requests": [{"custom_id": "1", "params": BODY}, …]}',
    "ask GET /v1/messages/batches/ID until processing_status is ended, then take its /results, by custom_id",
)
_OPENAI = (
    'POST /v1/files, purpose batch, lines of {"custom_id": "1", "method": "POST", "url": "PLACE", "body": BODY}',
    'POST /v1/batches with {"input_file_id": "file-…", "endpoint": "PLACE", "completion_window": "24h"}',
    "ask GET /v1/batches/ID until status is completed, then take GET /v1/files/OUTPUT_FILE_ID/content, by custom_id",
)
_GOOGLE = (
    'POST /v1beta/models/MODEL:batchGenerateContent: {"batch": {"input_config": {"requests": {"requests": [LINES]}}}}',
    'LINES: {"request": BODY, "metadata": {"key": "1"}} for each; at Google itself, the gateway doesn\'t serve it yet',
)
_BEDROCK = (
    'put a file in S3 with a line for each: {"recordId": "1", "modelInput": BODY}',
    "CreateModelInvocationJob for MODEL with that file, at Bedrock itself: the gateway doesn't serve it yet",
)
STEPS = {"anthropic": _ANTHROPIC, "google": _GOOGLE, "aws": _BEDROCK}


def batch_steps(provider: str, home: Home) -> tuple[str, ...]:
    """What the caller sends in place of single calls, and how it gets the answers."""
    steps = STEPS.get(provider, _OPENAI)
    place = PLACES.get(home.dialect, PLACE_ELSE)
    return TOGETHER, *(step.replace("PLACE", place).replace("MODEL", home.model_sent) for step in steps)

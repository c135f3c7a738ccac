"""Which path is which dialect at the simulated provider."""

from bursar.simulate import (
    wire_anthropic,
    wire_bedrock,
    wire_google,
    wire_google_caches,
    wire_media,
    wire_openai,
    wire_responses,
)
from bursar.simulate.exchange import Dialect
from bursar.simulate.http import Request

ROUTES = {
    "/v1/chat/completions": Dialect("openai-chat", wire_openai.chat, wire_openai.chat_events),
    "/v1/responses": Dialect("openai-responses", wire_responses.response, wire_responses.response_events),
    "/v1/embeddings": Dialect("openai-embeddings", wire_openai.embeddings, None),
    "/v1/completions": Dialect("openai-completions", wire_openai.completion, wire_openai.completion_events),
    "/v1/responses/compact": Dialect("openai-responses", wire_responses.response, wire_responses.response_events),
    "/v1/images/generations": Dialect("openai-images", wire_media.images, wire_media.image_events),
    "/v1/images/edits": Dialect("openai-images", wire_media.images, wire_media.image_events),
    "/v1/audio/speech": Dialect("openai-speech", wire_media.speech, wire_media.speech_events),
    "/v1/audio/transcriptions": Dialect(
        "openai-transcriptions", wire_media.transcription, wire_media.transcription_events
    ),
    "/v1/audio/translations": Dialect("openai-translations", wire_media.transcription, None),
    "/v1/moderations": Dialect("openai-moderations", wire_media.moderation, None),
    "/v1/messages": Dialect("anthropic-messages", wire_anthropic.message, wire_anthropic.message_events),
    "/v1/messages/count_tokens": Dialect("anthropic-count-tokens", wire_anthropic.message, None),
}
SERVICE_PATHS = ("", "/openai", "/api", "/inference", "/compatibility")
DEFAULT_MODELS = {"/v1/images/generations": "dall-e-2", "/v1/moderations": "omni-moderation-latest"}
GEMINI = Dialect("gemini-generate", wire_google.answer, wire_google.answer_events)
GOOGLE = {
    "generateContent": GEMINI,
    "streamGenerateContent": Dialect(
        "gemini-generate", wire_google.answer, wire_google.answer_array, "application/json; charset=UTF-8"
    ),
    "cachedContents": Dialect("gemini-cache", wire_google_caches.cached_content, None),
    "countTokens": Dialect("gemini-count-tokens", wire_google.answer, None),
    "embedContent": Dialect("gemini-embed", wire_google.embedding, None),
    "batchEmbedContents": Dialect("gemini-embed", wire_google.embedding, None),
}


CONVERSE = Dialect("bedrock-converse", wire_bedrock.converse, wire_bedrock.converse_events, wire_bedrock.STREAM_TYPE)
INVOKE = Dialect(
    "bedrock-invoke",
    wire_bedrock.invoked,
    wire_bedrock.invoked_events,
    wire_bedrock.STREAM_TYPE,
    wire_bedrock.counts_of,
)
INVOKE_EMBED = Dialect("bedrock-embed", wire_bedrock.invoked, None, wire_bedrock.STREAM_TYPE, wire_bedrock.counts_of)
BEDROCK = {
    "converse": CONVERSE,
    "converse-stream": CONVERSE,
    "invoke": INVOKE,
    "invoke-with-response-stream": INVOKE,
    "count-tokens": Dialect("bedrock-count-tokens", wire_bedrock.converse, None),
}


def target_of(request: Request) -> tuple[Dialect | None, str]:
    """What a path means, and Azure's deployment in it: services have OpenAI's paths behind one of their own."""
    path = request.path
    _, is_deployed, rest = path.partition("/openai/deployments/")
    deployment, _, rest = rest.partition("/")
    if is_deployed:
        return ROUTES.get("/v1/" + rest), deployment
    if request.method == "GET" and wire_google_caches.CACHES_PATH.fullmatch(path):
        return None, ""  # their list: no call
    if (target := wire_google.target_of(path)) is not None:
        if target.action == "streamGenerateContent" and wire_google.wants_events(request.query):
            return GEMINI, ""
        return GOOGLE.get(target.action), ""
    if (invoked := wire_bedrock.target_of(path)) is not None:
        is_embedding = "embed" in invoked.model and invoked.action == "invoke"
        return (INVOKE_EMBED if is_embedding else BEDROCK[invoked.action]), ""
    before, version, rest = path.partition("/v1/")
    return ROUTES.get(version + rest if before in SERVICE_PATHS else path), ""

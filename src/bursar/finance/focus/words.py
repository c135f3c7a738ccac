"""What FOCUS calls what we have: who sells a model, what a token class is measured and priced in."""

from typing import NamedTuple

from bursar.domain.storage import PART
from bursar.domain.usage import Unit

CATEGORY, SUBCATEGORY = "AI and Machine Learning", "Generative AI"
MILLION = 1_000_000


class Seller(NamedTuple):
    """The company that sells, and what it calls the service."""

    name: str
    service: str


class Meter(NamedTuple):
    """A token class: in words, the unit it is counted in, the unit it is priced in, and how many of those one holds."""

    words: str
    consumed_unit: str
    pricing_unit: str
    per_price: int


SELLERS = {
    "openai": Seller("OpenAI", "OpenAI API"),
    "anthropic": Seller("Anthropic", "Claude API"),
    "google": Seller("Google", "Gemini API"),
    "google-vertex": Seller("Google Cloud", "Vertex AI"),
    "vertex": Seller("Google Cloud", "Vertex AI"),
    "aws": Seller("Amazon Web Services", "Amazon Bedrock"),
    "bedrock": Seller("Amazon Web Services", "Amazon Bedrock"),
    "azure": Seller("Microsoft", "Azure OpenAI"),
    "mistral": Seller("Mistral AI", "Mistral API"),
    "deepseek": Seller("DeepSeek", "DeepSeek API"),
    "groq": Seller("Groq", "Groq API"),
    "cohere": Seller("Cohere", "Cohere API"),
    "x-ai": Seller("xAI", "Grok API"),
    "together": Seller("Together AI", "Together API"),
    "fireworks": Seller("Fireworks AI", "Fireworks API"),
    "openrouter": Seller("OpenRouter", "OpenRouter API"),
    "perplexity": Seller("Perplexity", "Perplexity API"),
    "moonshotai": Seller("Moonshot AI", "Kimi API"),
    "voyageai": Seller("Voyage AI", "Voyage API"),
}
"""By the id of the price list. A provider that isn't here is told by its id, and its service as "ID API"."""


def _tokens(words: str) -> Meter:
    return Meter(words, "Tokens", f"{MILLION} Tokens", MILLION)


ATTEMPT, REST = "attempt", "rest"
"""Token classes of our own: a charge that has a cost and no lines; what is left of charges beside their lines."""
PURCHASE, UNUSED = "purchase", "unused"
"""And of contracts: a commitment that was bought; what of one was not used. They are counted in millionths of a USD."""

METERS = {
    Unit.INPUT: _tokens("Input tokens"),
    Unit.CACHE_READ: _tokens("Cache read tokens"),
    Unit.CACHE_WRITE_5M: _tokens("Cache write tokens, 5 minutes"),
    Unit.CACHE_WRITE_1H: _tokens("Cache write tokens, 1 hour"),
    Unit.INPUT_AUDIO: _tokens("Audio input tokens"),
    Unit.CACHE_READ_AUDIO: _tokens("Audio cache read tokens"),
    Unit.INPUT_IMAGE: _tokens("Image input tokens"),
    Unit.OUTPUT: _tokens("Output tokens"),
    Unit.OUTPUT_AUDIO: _tokens("Audio output tokens"),
    Unit.OUTPUT_IMAGE: _tokens("Image output tokens"),
    Unit.WEB_SEARCH: Meter("Web searches", "Requests", "Requests", 1),
    Unit.REQUEST: Meter("Requests", "Requests", "Requests", 1),
    Unit.CHARACTERS: Meter("Characters", "Characters", f"{MILLION} Characters", MILLION),
    Unit.AUDIO_SECONDS: Meter("Seconds of audio", "Seconds", "Seconds", 1),
    Unit.IMAGES: Meter("Images", "Images", "Images", 1),
    Unit.CACHE_STORAGE: Meter("Cache storage", "Token-Hours", "Token-Hours", 1),
    PART: Meter("Cache storage, part of a token-hour", "Units", "Units", 1),
    ATTEMPT: Meter("Requests whose usage isn't known", "Requests", "Requests", 1),
    PURCHASE: Meter("Commitment bought", "", "USD", MILLION),
    UNUSED: Meter("Commitment not used", "", "USD", MILLION),
}
"""By the unit of a charge's line."""

OTHER_METER = Meter("Units", "Units", "Units", 1)

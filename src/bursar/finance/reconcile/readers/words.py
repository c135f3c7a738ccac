"""What bills call classes of usage and models, and what we call them."""

import re

from bursar.domain.usage import Unit

_DATE = re.compile(r"(?:[-@_ ](?:19|20)\d{2}-?\d{2}-?\d{2}|[-@_ ](?:19|20)\d{6})(?=$|[-_: ])")
_SHORT_DATE = re.compile(r"[- ](0[1-9]|1[0-2])([0-2]\d|3[01])(?=$|[- ])")  # Azure's `gpt 4o 0806`
_VERSION = re.compile(r"[-_ ]v\d+(?::\d+)?$")
_REGION = re.compile(r"^(?:global|us|us-gov|eu|apac|jp|au)\.")
_ATOM = re.compile(r"\d+|[a-z]+")
_VENDORS = frozenset({"anthropic", "amazon", "openai", "azure", "google", "meta", "mistral", "cohere", "bedrock"})
_FILLERS = frozenset({"ga", "preview", "latest", "edition", "instruct", "it"})


def unit_of(words: str) -> str:
    """The class of usage that some words name, a value of `Unit`; "" where they name none.

    >>> unit_of("cached input"), unit_of("Output Tokens"), unit_of("cache-write-input-token-count")
    ('cache_read', 'output', 'cache_write_5m')
    """
    said = re.sub(r"[^a-z0-9]+", " ", re.sub(r"([a-z])([A-Z])", r"\1 \2", words).lower())
    is_audio, is_image = " audio" in f" {said}", " image" in f" {said}"
    if "web search" in said or "search request" in said:
        return Unit.WEB_SEARCH
    if re.search(r"cach\w* (\w+ )?(write|creation)|(write|creation) cach|cache storage", said):
        if "storage" in said:
            return Unit.CACHE_STORAGE
        return Unit.CACHE_WRITE_1H if re.search(r"\b1 ?h", said) else Unit.CACHE_WRITE_5M
    if re.search(r"\bcach|cchd", said):
        return Unit.CACHE_READ_AUDIO if is_audio else Unit.CACHE_READ
    if re.search(r"\b(out|outp|outpt|output|completion|opt|response|reasoning)\b", said):
        return Unit.OUTPUT_AUDIO if is_audio else Unit.OUTPUT_IMAGE if is_image else Unit.OUTPUT
    if re.search(r"\b(in|inp|inpt|input|prompt|embedding|embeddings)\b", said):
        return Unit.INPUT_AUDIO if is_audio else Unit.INPUT_IMAGE if is_image else Unit.INPUT
    if "character" in said:
        return Unit.CHARACTERS
    return ""


def model_mark(name: str) -> tuple[str, ...]:
    """What stays of a model's name without vendor, region, date and version: two names with the same mark may mean the
    same model.

    >>> model_mark("Claude4.6Opus") == model_mark("us.anthropic.claude-opus-4-6-20251101-v1:0")
    True
    """
    said = re.sub(r"([a-z])([A-Z])", r"\1 \2", name.strip()).lower()
    said = _VERSION.sub("", said)
    said = _DATE.sub("", said)
    said = _SHORT_DATE.sub("", said)
    said = _REGION.sub("", said.rpartition("/")[2])
    atoms = [atom for atom in _ATOM.findall(said) if atom not in _VENDORS and atom not in _FILLERS]
    return tuple(sorted(atoms))

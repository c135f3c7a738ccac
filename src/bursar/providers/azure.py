"""Azure OpenAI's deployments: OpenAI's dialects, with the model's place taken by a deployment in the path.

`POST /openai/deployments/DEPLOYMENT/chat/completions?api-version=…`. The body may name a model or not: Azure doesn't
look. What a deployment serves stands in the answer (`model`), and is priced by that.
Source: Microsoft's public REST reference, and tests/golden/azure.
"""

import re
from typing import NamedTuple

import msgspec

from bursar.domain.errors import BursarError, MissingField
from bursar.providers.base import Answer, Asked, Dialect, StreamReader
from bursar.providers.splice import with_value
from bursar.providers.values import MODEL_CHARS_MAX

AZURE = "azure"

_PATH = re.compile(r"/openai/deployments/(?P<deployment>[^/]+)(?P<rest>/.+)")


class Deployed:
    """A dialect of OpenAI's, bound to a deployment."""

    family = AZURE

    def __init__(self, inner: Dialect, deployment: str) -> None:
        self.inner = inner
        self.name = inner.name
        self.operation = inner.operation
        self.deployment = deployment

    def read_request(self, body: bytes) -> Asked:
        """The model asked for is the deployment, whatever the body says."""
        try:
            asked = self.inner.read_request(body)
        except MissingField as error:
            named = with_value(body, "model", msgspec.json.encode(self.deployment)) if error.field == "model" else None
            if named is None:
                raise
            asked = self.inner.read_request(named)
        asked.model = self.deployment
        return asked

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return self.inner.with_usage(body, asked)

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return self.inner.with_output_limit(body, tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return self.inner.read_answer(body, status)

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        return self.inner.reader(asked, strip_usage=strip_usage)

    def error(self, error: BursarError, call_id: str) -> bytes:
        return self.inner.error(error, call_id)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return self.inner.stream_error(error, call_id)


class DeploymentPath(NamedTuple):
    """A path of Azure's. `rest`: what follows the deployment, as OpenAI has it behind `/v1`."""

    deployment: str
    rest: str

    def bind(self, dialect: Dialect) -> Deployed:
        return Deployed(dialect, self.deployment)


def deployment_path(path: str) -> DeploymentPath | None:
    """A path's deployment; None if it has none, or one longer than any model's name."""
    found = _PATH.fullmatch(path)
    if found is None or len(found["deployment"]) > MODEL_CHARS_MAX:
        return None
    return DeploymentPath(found["deployment"], found["rest"])

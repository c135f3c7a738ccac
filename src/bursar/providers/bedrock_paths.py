"""What a path of Amazon Bedrock's runtime means: which model, and what is done with it; and its address at AWS.

`/model/MODEL/converse`: a model's id, an inference profile's, or an ARN, in which there are slashes. A client escapes
these (`%2F`), and so does `wire_path`, since paths are decoded in between.
Source: the service model of bedrock-runtime, botocore 1.44.5 (`requestUri`, `InvokeModelIdentifier`).
"""

import re
from urllib.parse import quote

BEDROCK = "bedrock"
PREFIX = "/model/"

_PATH = re.compile(
    r"(?:/bedrock)?(?P<path>/model/(?P<model>.+)/"
    r"(?P<action>converse|converse-stream|invoke|invoke-with-response-stream|count-tokens))"
)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*")
_REGION = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


def split_path(path: str) -> tuple[str, str, str] | None:
    """(the path at AWS, the model, the operation) of a decoded path; None if it isn't Bedrock's."""
    found = _PATH.fullmatch(path)
    return None if found is None else (found["path"], found["model"], found["action"])


def is_model_id(model: str) -> bool:
    """Whether this can be a model's id or an ARN: nothing else goes into a path at AWS."""
    return _MODEL.fullmatch(model) is not None


def with_model(path: str, model: str) -> str:
    """The same decoded path for another model."""
    return f"{PREFIX}{model}/{path.rpartition('/')[2]}"


def wire_path(path: str) -> str:
    """A decoded path as it is written at AWS: all of the model is one segment.

    >>> wire_path("/model/amazon.nova-lite-v1:0/converse")
    '/model/amazon.nova-lite-v1%3A0/converse'
    """
    model, _, action = path.removeprefix(PREFIX).rpartition("/")
    return f"{PREFIX}{quote(model, safe='-_.~')}/{action}"


def region_of(base_url: str) -> str:
    """The AWS region in an address of the runtime, private endpoints included; "" if it has none.

    >>> region_of("https://bedrock-runtime.eu-central-1.amazonaws.com")
    'eu-central-1'
    """
    found = _REGION.search(base_url)
    return found[1] if found else ""

"""Amazon's names of models: an ARN either names a model or a profile by its id, or is known to its owner alone."""

import re

_ARN = re.compile(r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]*:[0-9]*:(?P<kind>[a-z-]+)/(?P<name>.+)")
_BY_ID = ("foundation-model", "inference-profile")
"""Kinds whose last part is an id with a price. What stands behind an application's profile, provisioned throughput, a
custom or imported model, a prompt or a router can't be told by its ARN."""


def is_arn(name: str) -> bool:
    return name.startswith("arn:")


def id_of_arn(arn: str) -> str:
    """The id that an ARN names; "" where it names none.

    >>> id_of_arn("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0")
    'amazon.nova-lite-v1:0'
    >>> id_of_arn("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3")
    ''
    """
    found = _ARN.fullmatch(arn)
    return found["name"] if found and found["kind"] in _BY_ID else ""

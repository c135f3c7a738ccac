"""Which upstreams may embed for the semantic cache: those that know how, with a key of the operator's.

A caller's own key never pays for what the operator's rule asks.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bursar.domain.caching import WhyNot
from bursar.gateway.metrics import counts_in
from bursar.gateway.route import AUTHS, FAMILIES
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.sigv4 import keys_from, secret_variable
from bursar.providers.openai_embeddings import OpenAIEmbeddings
from bursar.providers.services import SIGV4
from bursar.translate.registry import EMBEDDERS

HAS_KEY = "bursar_upstream_has_key"
"""A gauge of each worker: what its environment says is more than what that of a command line does."""


def why_no_embeddings(upstreams: object, env: Mapping[str, str], run_directory: Path) -> WhyNot:
    """Why an upstream of a name can't embed, in words; "": it can.

    upstreams: as `worker.json` has them, plain values of UpstreamSettings. run_directory: where the workers' counters
    are: a key that they have needn't be in this process's environment.
    """
    known = {one.name: one for one in msgspec.convert(upstreams, list[UpstreamSettings])}

    def why(name: str) -> str:
        found = known.get(name)
        if found is None:
            return f"there is no upstream {name[:80]!r}; there are {', '.join(sorted(known))}"
        if not knows_how(found):
            return f"upstream {name!r} has no embeddings that Bursar can ask for: name one that has"
        if not (has_key(found, env) or counts_in(run_directory).get((HAS_KEY, f"upstream={name}"))):
            needed = found.api_key_env
            if auth_of(found) == SIGV4:
                needed = f"{needed} and {secret_variable(needed)}"
            return (
                f"upstream {name!r} has no key of its own, and a caller's own key doesn't pay for embeddings: set "
                f"{needed} where `bursar up` runs, and here while it doesn't"
            )
        return ""

    return why


def knows_how(upstream: UpstreamSettings) -> bool:
    """Whether its embeddings can be asked for: in OpenAI's dialect, or translated from it."""
    if upstream.dialect in EMBEDDERS:
        return True
    speaks_openai = OpenAIEmbeddings.family in FAMILIES.get(upstream.dialect, (upstream.dialect,))
    return speaks_openai and (not upstream.speaks or OpenAIEmbeddings.name in upstream.speaks)


def has_key(upstream: UpstreamSettings, env: Mapping[str, str]) -> bool:
    """Whether this environment has the operator's key; an upstream that names no variable needs none."""
    if not upstream.api_key_env:
        return True
    if auth_of(upstream) == SIGV4:
        return keys_from(upstream.api_key_env, env) is not None
    return bool(env.get(upstream.api_key_env))


def auth_of(upstream: UpstreamSettings) -> str:
    return upstream.auth or AUTHS.get(upstream.dialect, "bearer")

"""The keys of the made-up company's teams: what the history is charged to, and what live calls come with."""

from collections.abc import Mapping

from bursar.domain.hashing import keyed_hash
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.governance.keys import KEY_PREFIX, Keys
from bursar.simulate.cast import FEATURES

SHARED = "shared"  # of calls that say no team


def key_id(team: str) -> str:
    """Under which id a team's calls are charged."""
    return f"vk_demo_{team or SHARED}"


def adopt_keys(keys: Keys, secret: bytes, organization: str) -> Mapping[str, str]:
    """The text of each team's key by team, "" for none; those that aren't known yet are taken in.

    Texts are derived from the site's secret, so that a second run has them without their being written anywhere.
    """
    known = {key.credential_id for key in keys.all()}
    texts = {}
    for team in ("", *sorted({feature.team for feature in FEATURES})):
        halves = (keyed_hash(secret, f"demo key {half} of {team}".encode()) for half in (1, 2))
        texts[team] = KEY_PREFIX + "".join(halves)
        if key_id(team) not in known:
            name = f"demo: {team or SHARED}"
            keys.adopt(key_id(team), texts[team], name, Scope(organization, team), Attribution(), actor="demo")
    return texts

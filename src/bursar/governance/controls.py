"""The whole desk of an operator: all kinds of controls, and the way their changes reach the workers."""

from collections.abc import Callable

from bursar.governance.caches import CacheBook
from bursar.governance.keys import Keys
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.routes import RouteBook


class Controls:
    """publish: hands the state to the workers; whoever changed something calls it, once the change is kept."""

    def __init__(
        self,
        policies: Policies,
        limits: Limits,
        kills: Kills,
        routes: RouteBook,
        caches: CacheBook,
        keys: Keys,
        publish: Callable[[], object],
    ) -> None:
        self.policies = policies
        self.limits = limits
        self.kills = kills
        self.routes = routes
        self.caches = caches
        self.publish = publish
        self._keys = keys

    def key_names(self) -> dict[str, str]:
        """Names of virtual keys by their ids, for whoever reads a list."""
        return {key.credential_id: key.name for key in self._keys.all()}

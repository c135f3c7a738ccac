"""Where in the organization a credential stands: organization / team / project."""

import msgspec

RETRY_SCOPES = ("organization", "team", "project", "key", "feature", "customer", "session", "agent")
"""What the hourly cap on retries may be counted by."""


class Scope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A path; the empty string means "not placed". Bound to the credential, never to what a client says."""

    organization: str = ""
    team: str = ""
    project: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.organization, self.team, self.project) if part)

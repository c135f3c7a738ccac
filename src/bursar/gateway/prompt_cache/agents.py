"""Coding agents by what they say of themselves: they set their own marks, and their prompts are left alone.

Source: Claude Code's gateway contract (its `system` must not be touched: the first block is an attribution block that
is taken out by its place); user agents as the tools send them, 2026-10.
"""

AGENTS = (
    "claude-cli", "claude-code", "codex", "opencode", "geminicli", "gemini-cli", "cline", "roo-code", "kilo-code",
    "cursor", "aider", "continue", "copilot", "githubcopilot", "goose", "crush", "zed", "qwencode", "amp", "windsurf",
)  # fmt: skip
_ATTRIBUTION = b"x-anthropic-billing-header"


def is_coding_agent(client: str, system: bytes = b"") -> bool:
    """client: the first word of its user agent, as `CallFacts.client` has it. system: the beginning of the system
    prompt, where Claude Code's block of attribution gives it away under any name.

    >>> is_coding_agent("claude-cli/2.1.3"), is_coding_agent("anthropic-python/0.90")
    (True, False)
    """
    name = client.lower().partition("/")[0].replace("_", "-")
    if any(name == agent or name.startswith(agent + "-") for agent in AGENTS):
        return True
    return _ATTRIBUTION in system

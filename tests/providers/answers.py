"""How each recording reads, a line each. `python -m tests.providers.answers` rewrites golden/answers.txt.

A person reads that difference before it is committed.
"""

from tests.providers.recordings import GOLDEN, Recording, recordings

from bursar.domain.usage import Usage


def lines() -> list[str]:
    """id | usage by class | model served | tier | why it ended | complete or cut | error code"""
    return [line_of(one) for one in recordings()]


def line_of(one: Recording) -> str:
    """One recording as a person checks it."""
    answer = one.answer()
    words = [
        usage_words(answer.usage),
        answer.model,
        answer.tier,
        answer.finish_reason,
        "complete" if answer.complete else "cut",
        answer.error_code,
    ]
    return " | ".join([one.id, *(word or "-" for word in words)])


def usage_words(usage: Usage | None) -> str:
    if usage is None:
        return ""
    words = [f"{unit.value}={quantity}" for unit, quantity in usage.nonzero()]
    return " ".join([*words, f"reasoning={usage.reasoning}"] if usage.reasoning else words) or "nothing"


if __name__ == "__main__":
    (GOLDEN / "answers.txt").write_text("\n".join(lines()) + "\n", "utf-8")

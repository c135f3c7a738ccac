"""What a recorded answer says: the same reading as the gateway's, for bytes that lie in a file."""

from bursar.providers.base import Answer, Asked, Dialect


def is_event_stream(recorded: bytes) -> bool:
    """Whether a recording is an event stream: JSON begins with a bracket, a stream with a field or a comment."""
    head = recorded[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return bool(head) and head[:1] not in b"{["


def read_recorded(dialect: Dialect, recorded: bytes, *, stream: bool) -> Answer:
    """The answer in a recorded body. Never raises: what can't be read is an answer without usage."""
    if not stream:
        return dialect.read_answer(recorded.removeprefix(b"\xef\xbb\xbf"), 200)
    reader = dialect.reader(Asked(stream=True), strip_usage=False)
    reader.feed(recorded)
    reader.end()
    return reader.answer()

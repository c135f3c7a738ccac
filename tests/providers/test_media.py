"""What a request carries beside text is seen wherever a dialect allows it, and at no cost where it isn't."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.pictures import b64, gif, jpeg, pdf, png, wav, webp

from bursar.domain.errors import BursarError
from bursar.domain.media import Media, MediaKind
from bursar.providers.anthropic import MESSAGES
from bursar.providers.base import Dialect
from bursar.providers.media import media_in
from bursar.providers.media_bytes import audio_seconds, image_size, pdf_pages
from bursar.providers.openai_chat import CHAT
from bursar.providers.openai_responses import RESPONSES
from bursar.providers.values import Asked

IMAGE, PDF, AUDIO, FILE = MediaKind.IMAGE, MediaKind.PDF, MediaKind.AUDIO, MediaKind.FILE
PICTURE = b64(png(640, 480))
DATA_URL = "data:image/png;base64," + PICTURE


def asked(dialect: Dialect, **fields: Any) -> Asked:
    return dialect.read_request(json.dumps({"model": "m", "max_tokens": 9, **fields}).encode())


def chat(*parts: dict[str, Any]) -> Asked:
    return asked(CHAT, messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, *parts]}])


def claude(*parts: dict[str, Any]) -> Asked:
    return asked(MESSAGES, messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, *parts]}])


def responses(*parts: dict[str, Any]) -> Asked:
    return asked(RESPONSES, input=[{"role": "user", "content": [{"type": "input_text", "text": "look"}, *parts]}])


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (png(640, 480), (640, 480)),
        (gif(320, 200), (320, 200)),
        (jpeg(4032, 3024), (4032, 3024)),
        (jpeg(65_000, 3, exif_bytes=2), (65_000, 3)),
        (webp(1_000, 700), (1_000, 700)),
        (webp(1_000, 700, "VP8L"), (1_000, 700)),
        (webp(1_000, 700, "VP8 "), (1_000, 700)),
        (b"\xff\xd8\xff\xd9", (0, 0)),
        (b"BM and more", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_the_size_of_an_image_is_read_from_its_header(content: bytes, size: tuple[int, int]) -> None:
    assert image_size(b64(content)) == size


@given(
    st.text(max_size=400), st.binary(max_size=400), st.sampled_from([png(9, 9), jpeg(9, 9, 50), webp(9, 9), gif(9, 9)])
)
def test_no_data_makes_the_reader_fail(text: str, tail: bytes, start: bytes) -> None:
    for data in (text, b64(tail), b64(start[: len(tail)] + tail), b64(start)[: len(text)] + text):
        width, height = image_size(data)
        assert width >= 0 <= height
        assert pdf_pages(data) >= 0
        assert audio_seconds(data, "wav") >= 0


@pytest.mark.parametrize("packed", [False, True])
def test_the_pages_of_a_pdf_are_counted_also_inside_compressed_objects(packed: bool) -> None:
    assert pdf_pages(b64(pdf(37, packed=packed))) == 37


def test_pages_that_cannot_be_told_are_unknown_not_none() -> None:
    assert pdf_pages(b64(b"%PDF-1.7\n<< /Type /ObjStm >> stream\nencrypted endstream << /Type /Page >>")) == 0
    assert pdf_pages("A" * 6_000_000) == 0


def test_a_recording_never_lasts_longer_than_was_read() -> None:
    assert 60 <= audio_seconds(b64(wav(60)), "wav") <= 62
    assert audio_seconds(b64(b"\0" * 8_000), "mp3") >= 8  # at 8 kbit/s
    assert audio_seconds(b64(wav(60).replace(b"\x80>\0\0", b"\xff\xff\xff\xff")), "wav") >= 60  # a rate that lies


def test_every_image_of_a_chat_is_seen() -> None:
    seen = chat(
        {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": DATA_URL},
    )
    assert sorted(seen.media, key=lambda one: (one.width, one.detail)) == [
        Media(IMAGE),
        Media(IMAGE, 640, 480),
        Media(IMAGE, 640, 480, "low"),
    ]
    assert seen.data_bytes == 2 * len(DATA_URL)


def test_recordings_and_files_of_a_chat_are_seen() -> None:
    sound, paper = b64(wav(3)), b64(pdf(4, packed=True))
    assert chat({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}).media == (
        Media(AUDIO, seconds=5),
    )
    assert chat({"type": "file", "file": {"filename": "a.pdf", "file_data": paper}}).media == (Media(PDF, pages=4),)
    assert chat({"type": "file", "file": {"file_data": "data:text/csv;base64," + b64(b"a,b\n" * 30)}}).media == (
        Media(FILE, text_bytes=120),
    )
    assert chat({"type": "file", "file": {"file_id": "file-1"}}).media == (Media(FILE),)
    assert chat({"type": "video_url", "video_url": {"url": "https://example.com/v"}}).media == (Media(FILE),)


def test_every_part_of_a_responses_input_is_seen() -> None:
    seen = responses(
        {"type": "input_image", "image_url": DATA_URL, "detail": "high"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    )
    assert set(seen.media) == {Media(IMAGE, 640, 480, "high"), Media(IMAGE), Media(PDF)}
    screenshot = {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": DATA_URL}}
    assert asked(RESPONSES, input=[screenshot]).media == (Media(IMAGE, 640, 480),)
    shown = {"type": "function_call_output", "output": [{"type": "input_image", "image_url": DATA_URL}]}
    assert asked(RESPONSES, input=[shown]).media == (Media(IMAGE, 640, 480),)
    variables = {"id": "p", "variables": {"picture": {"type": "input_image", "file_id": "f"}}}
    assert asked(RESPONSES, input="look", prompt=variables).media == (Media(IMAGE),)


def test_every_part_of_a_message_is_seen_also_in_a_tool_s_result() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    paper = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": b64(pdf(2, packed=False))},
    }
    assert claude(image, paper).media == (Media(PDF, pages=2), Media(IMAGE, 640, 480))
    assert claude({"type": "tool_result", "content": [image]}).media == (Media(IMAGE, 640, 480),)
    assert claude({"type": "image", "source": {"type": "url", "url": "https://a.b/c"}}).media == (Media(IMAGE),)
    assert claude({"type": "document", "source": {"type": "file", "file_id": "f"}}).media == (Media(PDF),)
    nested = {"type": "document", "source": {"type": "content", "content": [image]}}
    assert claude(nested).media == (Media(IMAGE, 640, 480),)
    assert claude({"type": "document", "source": {"type": "text", "data": "plain"}}).media == ()


@pytest.mark.parametrize(
    "seen",
    [
        chat(),
        claude({"type": "tool_result", "content": "done"}, {"type": "tool_use", "input": {"type": "image"}}),
        responses(),
        asked(RESPONSES, input="only text"),
        asked(MESSAGES, messages=[{"role": "user", "content": "only text"}], system=[{"type": "text", "text": "s"}]),
    ],
)
def test_text_alone_has_no_other_parts(seen: Asked) -> None:
    assert (seen.media, seen.data_bytes) == ((), 0)


def test_parts_that_nobody_knows_stay_bytes() -> None:
    assert chat({"type": "hologram", "data": "A" * 1_000}).data_bytes == 0


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["image_url", "image", DATA_URL]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "source", "image_url", "file", "input_audio", "data", "url", "content", "detail"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_no_request_makes_the_walk_fail(content: object) -> None:
    body = json.dumps({"model": "m", "messages": [{"content": content}], "input": content, "system": content}).encode()
    parts, data_bytes = media_in(body)
    assert 0 <= data_bytes <= len(body)
    for dialect in (CHAT, RESPONSES, MESSAGES):
        try:
            seen = dialect.read_request(body)
        except BursarError:
            continue
        assert len(seen.media) <= len(parts)

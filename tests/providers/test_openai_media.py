"""Images, sound and moderations: usage where it is reported, unknown where it isn't, and forms read as they stand."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadRequest, BursarError, MissingField
from bursar.domain.usage import Usage
from bursar.providers.base import Asked
from bursar.providers.forms import form_fields
from bursar.providers.registry import DIALECTS, dialect_for
from bursar.providers.splice import with_value

# All synthetic, after OpenAI's published schema 2.3.0.
FORM = (
    b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
    b"\xff\xfb{\r\n--b\x00\r\n"
    b'\r\n--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o-transcribe'
    b'\r\n--b0\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue'
    b'\r\n--b0\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nlogprobs'
    b"\r\n--b0--\r\n"
)
ANSWERS = [
    (
        "openai-images",
        (
            b'{"created":1,"data":[],"usage":{"input_tokens":50,"output_tokens":1056,"total_tokens":1106,'
            b'"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}'
        ),
        Usage(input=10, input_image=40, output_image=1056),
    ),
    (
        "openai-images",
        (
            b'{"usage":{"input_tokens":10,"output_tokens":100,"total_tokens":110,"input_tokens_details":{"text_tokens":10,'
            b'"image_tokens":0},"output_tokens_details":{"image_tokens":90,"text_tokens":10}}}'
        ),
        Usage(input=10, output=10, output_image=90),
    ),
    (
        "openai-images",
        b'{"created":1,"data":[{"url":"https://example.test/1.png"},{"b64_json":"AA"}]}',
        Usage(images=2),
    ),
    ("openai-images", b'{"created":1,"data":[]}', None),
    (
        "openai-transcriptions",
        (
            b'{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,'
            b'"audio_tokens":10},"output_tokens":45,"total_tokens":59}}'
        ),
        Usage(input=4, input_audio=10, output=45),
    ),
    ("openai-transcriptions", b'{"text":"hi","usage":{"type":"duration","seconds":9.5}}', Usage(audio_seconds=10)),
    ("openai-transcriptions", b'{"text":"hi","usage":{"type":"duration","seconds":-1}}', None),
    ("openai-transcriptions", b"1\n00:00 --> 00:01\nhi", None),
    ("openai-speech", b"\xff\xfb\x90\x00", None),
    ("openai-moderations", b'{"id":"m","model":"omni-moderation-latest","results":[]}', Usage()),
]
STREAMS = [
    (
        "openai-speech",
        (
            b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
            b'data: {"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}\n\n'
        ),
        Usage(input=14, output_audio=101),
    ),
    (
        "openai-transcriptions",
        (
            b'data: {"type":"transcript.text.delta","delta":"I see"}\n\n'
            b'data: {"type":"transcript.text.done","text":"I see","usage":{"type":"tokens","input_tokens":14,'
            b'"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}\n\n'
        ),
        Usage(input_audio=14, output=45),
    ),
    (
        "openai-images",
        (
            b'data: {"type":"image_generation.partial_image","b64_json":"AAAA","partial_image_index":0}\n\n'
            b'data: {"type":"image_generation.completed","b64_json":"AAAA","usage":{"total_tokens":100,'
            b'"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}\n\n'
        ),
        Usage(input=10, input_image=40, output_image=50),
    ),
]


@pytest.mark.parametrize(("name", "body", "usage"), ANSWERS)
def test_an_answer_has_the_usage_that_it_reports_and_no_other(name: str, body: bytes, usage: Usage | None) -> None:
    answer = DIALECTS[name].read_answer(body, 200)
    assert answer.complete
    assert answer.usage == usage


@pytest.mark.parametrize(("name", "body", "usage"), STREAMS)
def test_a_stream_cut_at_every_byte_reads_alike(name: str, body: bytes, usage: Usage) -> None:
    for cut in range(len(body) + 1):
        reader = DIALECTS[name].reader(Asked(stream=True), strip_usage=False)
        assert reader.feed(body[:cut]) + reader.feed(body[cut:]) + reader.end() == body
        answer = reader.answer()
        assert (answer.usage, answer.complete) == (usage, True)
        broken = DIALECTS[name].reader(Asked(stream=True), strip_usage=False)
        broken.feed(body[:cut])
        broken.end()
        assert broken.answer().usage in (None, usage), "half an event is no report"


def test_a_form_names_its_model_and_files_are_stepped_over() -> None:
    asked = DIALECTS["openai-transcriptions"].read_request(FORM)
    assert (asked.model, asked.stream) == ("gpt-4o-transcribe", True)
    assert form_fields(FORM) == {"model": ["gpt-4o-transcribe"], "stream": ["true"], "include[]": ["logprobs"]}


@given(cut=st.integers(0, len(FORM) - 5))
def test_a_form_that_is_not_whole_is_refused(cut: int) -> None:
    with pytest.raises(BursarError) as error:
        DIALECTS["openai-transcriptions"].read_request(FORM[:cut])
    assert error.value.status == 400


@given(body=st.binary(max_size=400).map(lambda some: b"--b0\r\n" + some))
def test_no_form_raises_anything_but_our_own(body: bytes) -> None:
    with contextlib.suppress(BadRequest, MissingField):
        DIALECTS["openai-images"].read_request(body)


def test_a_model_given_twice_in_a_form_is_refused() -> None:
    part = b'--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n'
    with pytest.raises(BadRequest, match="more than once"):
        DIALECTS["openai-images"].read_request(part + part + b"--b0--\r\n")


def test_a_form_is_never_changed() -> None:
    assert with_value(FORM, "model", b'"other"') is None


def test_an_image_without_a_model_is_of_the_documented_default() -> None:
    assert DIALECTS["openai-images"].read_request(b'{"prompt":"a cat"}').model == "dall-e-2"
    with pytest.raises(MissingField):
        DIALECTS["openai-speech"].read_request(b'{"input":"a"}')


def test_a_deployments_model_is_in_the_path_whatever_the_body_says() -> None:
    path = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    for body in (b'{"messages":[]}', b'{"model":"gpt-4o","messages":[],"stream":true}', b"{}"):
        found = dialect_for("POST", path)
        assert found is not None
        dialect, target = found
        assert (dialect.name, dialect.family, target) == ("openai-chat", "azure", path)
        assert dialect.read_request(body).model == "my-gpt"
    assert dialect_for("POST", "/openai/deployments/my-gpt/unknown") is None
    assert dialect_for("POST", "/openai/deployments//chat/completions") is None


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1/responses/resp_1",
        "GET /openai/v1/responses/resp_1/input_items",
        "POST /v1/responses/resp_1/cancel",
        "DELETE /responses/resp_1",
    ],
)
def test_a_kept_response_is_asked_for_and_not_billed(line: str) -> None:
    method, path = line.split(" ")
    found = dialect_for(method, path)
    assert found is not None
    assert found[0].operation == "kept_response"
    assert found[1] == "/v1/responses/" + path.split("/responses/")[1]


def test_a_background_response_is_pending_until_it_reports() -> None:
    read = DIALECTS["openai-responses"].read_answer
    assert read(b'{"id":"resp_1","status":"queued","usage":null}', 200).is_pending
    done = read(b'{"id":"resp_1","status":"completed","usage":{"input_tokens":3,"output_tokens":4}}', 200)
    assert (done.is_pending, done.usage) == (False, Usage(input=3, output=4))


@pytest.mark.parametrize(
    ("name", "body", "sold", "sold_as"),
    [
        ("openai-speech", b'{"model":"tts-1","input":"h\xc3\xa9llo","voice":"alloy"}', Usage(characters=5), ""),
        ("openai-speech", b'{"model":"gpt-4o-mini-tts","input":"hello"}', None, ""),  # by tokens
        ("openai-speech", b'{"model":"tts-1-hd","input":7}', None, ""),
        ("openai-images", b'{"prompt":"a cat"}', Usage(images=1), "dall-e-2/standard/1024x1024"),
        (
            "openai-images",
            b'{"model":"dall-e-3","n":2,"size":"1024x1792","quality":"hd"}',
            Usage(images=2),
            "dall-e-3/hd/1024x1792",
        ),
        ("openai-images", b'{"model":"dall-e-2","n":100000}', None, "dall-e-2/standard/1024x1024"),
        ("openai-images", b'{"model":"gpt-image-1","n":2}', None, ""),
    ],
)
def test_what_a_request_says_will_be_billed(name: str, body: bytes, sold: Usage | None, sold_as: str) -> None:
    asked = DIALECTS[name].read_request(body)
    assert (asked.sold, asked.sold_as) == (sold, sold_as)

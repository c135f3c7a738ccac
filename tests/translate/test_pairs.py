"""Each ordered pair of dialects: what a caller of one says reaches a provider of the other, and so does the answer."""

import itertools

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.translate.conversations import Say, conversations, event_streams, replies
from tests.translate.laws import events_of, read_back, written
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.translate.answer import Event, Reply
from bursar.translate.codec import Codec
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.registry import CODECS

FEW = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAY = Say(signatures=False, settings=False)  # a signature is for the provider that made it
PAIRS = [
    pytest.param(CODECS[one], CODECS[other], id=f"{one}>{other}")
    for one, other in itertools.permutations(CODECS, 2)
    if "vertex" not in (one + other)  # Gemini's words
    and "bedrock" not in (one + other)  # takes no images by their address: test_converse.py
]


@pytest.mark.parametrize(("caller", "provider"), PAIRS)
@FEW
@given(said=conversations(SAY))
def test_a_request_means_the_same_to_the_provider(caller: Codec, provider: Codec, said: Conversation):
    asked = read_back(caller, said, Losses())
    losses = Losses()
    same_request(asked, read_back(provider, asked, losses), losses)


@pytest.mark.parametrize(("caller", "provider"), PAIRS)
@FEW
@given(said=replies(SAY))
def test_an_answer_means_the_same_to_the_caller(caller: Codec, provider: Codec, said: Reply):
    answered = provider.read_answer(provider.write_answer(said, Losses()))
    losses = Losses()
    same_reply(answered, caller.read_answer(caller.write_answer(answered, losses)), losses)


@pytest.mark.parametrize(("caller", "provider"), PAIRS)
@FEW
@given(stream=event_streams(SAY), cut=st.integers(0, 10_000))
def test_a_stream_means_the_same_to_the_caller_wherever_it_is_cut(
    caller: Codec, provider: Codec, stream: tuple[Reply, list[Event]], cut: int
):
    body = written(provider, stream[1])
    events = events_of(provider, body, [cut % len(body) or 1])
    assert events == events_of(provider, body)
    answered = reply_of(events)
    losses = Losses()
    caller.write_answer(answered, losses)
    heard = reply_of(events_of(caller, written(caller, events)))
    same_reply(answered, msgspec.structs.replace(heard, created_s=answered.created_s), losses)

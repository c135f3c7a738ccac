"""The comparison sees what it is there to see; the generated streams say what their answers say."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.translate.conversations import ALL, Say, conversations, event_streams
from tests.translate.meaning import reply_of, same_reply, same_request

from bursar.translate.answer import Event, Reply
from bursar.translate.conversation import Conversation, Losses, Message, Text, Thinking

EVERYTHING = ALL._replace(audio=True, cache=True, refusals=True, choices=True, logprobs=True)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversations(EVERYTHING))
def test_a_conversation_means_itself_and_nothing_else(said: Conversation):
    same_request(said, said)
    other = msgspec.structs.replace(said, messages=(*said.messages, Message("assistant", (Text("More."),))))
    with pytest.raises(AssertionError):
        same_request(said, other)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event_streams(Say(refusals=True, choices=True, logprobs=True)))
def test_generated_events_say_what_their_answer_says(stream: tuple[Reply, list[Event]]):
    reply, events = stream
    same_reply(reply, reply_of(events))


def losses(*names: str) -> Losses:
    found = Losses()
    for name in names:
        found.lose(name)
    return found


def test_what_was_lost_is_not_missed_and_nothing_else_is_forgiven():
    def asked(*parts: Thinking | Text, seed: int | None = None) -> Conversation:
        return Conversation(model="m", messages=(Message("user", parts),), seed=seed)

    signed = asked(Thinking("Hm.", "c2ln"), Text("a"), seed=1)
    same_request(signed, asked(Thinking("Hm."), Text("a")), losses("thinking.signature", "seed"))
    same_request(signed, asked(Text("a")), losses("thinking", "seed"))
    same_request(asked(Text("a"), Text("b")), asked(Text("ab")))
    with pytest.raises(AssertionError):
        same_request(signed, asked(Text("a")), losses("thinking.signature", "seed"))
    with pytest.raises(AssertionError, match="doesn't know"):
        same_request(signed, signed, losses("colour"))

"""What a receipt says of who made a call, and why it went there."""

import msgspec

from bursar.domain.routes import RECEIPTS, Candidate, Embeds, Receipt, receipt_words, traffic_of

PLACE = [Candidate("openai", "gpt-4o")]


def test_who_made_a_call_stands_in_its_receipt():
    live = Receipt("chat", "ordered", PLACE)
    shadow = Receipt("chat", "ordered", PLACE, None, "try", "shadow", shadow_of="c1")
    embedding = Receipt("", "", PLACE, embeds=Embeds("c1", "ca_1", "mark", "shadow"))
    assert [traffic_of(one) for one in (live, shadow, embedding)] == ["live", "shadow", "cache_embedding"]
    assert receipt_words(live, "openai", "gpt-4o").startswith("route 'chat', ordered")
    assert "shadow 'try' of the call c1" in receipt_words(shadow, "openai", "gpt-4o")
    assert (
        receipt_words(embedding, "openai", "gpt-4o") == "cache rule ca_1: an embedding of the question of the call c1"
    )
    for one in (live, shadow, embedding):
        assert RECEIPTS.decode(msgspec.json.encode(one)) == one

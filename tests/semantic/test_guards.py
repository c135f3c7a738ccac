"""The guards of the semantic cache: what they refuse, what they must let through, and that they have no favourite."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bursar.semantic.guards import GUARDS, why_not_one
from bursar.semantic.lexicon import OPPOSITES, stem
from bursar.semantic.marks import marks_of, question_of

REFUSED = """
language | Wie setze ich mein Passwort zurück und wo finde ich es? | How do I reset my password and where do I find it?
language | パスワードをリセットするには | パスワードを変更するには
length   | Reset it for the shop | How do I reset my password when I have lost my phone and the mail is gone too?
code     | What does `git reset --soft` do? | What does `git reset --hard` do?
code     | What does the flag -v mean? | What does the flag -V mean?
code     | Summarise https://example.com/a | Summarise https://example.com/b
code     | Delete the file /srv/a.log | Delete the file /srv/b.log
code     | Send it to ann@example.com | Send it to bob@example.com
number   | What is 15% of 240? | What is 25% of 240?
number   | What is new in version 2.10? | What is new in version 2.1?
number   | Who won the second game? | Who won the third game?
number   | Summarise it in three lines | Summarise it in five lines
class    | Is it open on Saturday? | Is it open on Sunday?
class    | How much is it in dollars? | How much is it in euros?
class    | How many miles is a marathon? | How many kilometers is a marathon?
class    | how do i sort a list in python | how do i sort a list in java
name     | What is the capital of France? | What is the capital of Finland?
name     | Why does x_max overflow? | Why does x_min overflow?
polarity | Which foods can I eat on a keto diet? | Which foods can't I eat on a keto diet?
polarity | Is it safe to take it with alcohol? | Is it unsafe to take it with alcohol?
polarity | How do I enable logging? | How do I disable logging?
polarity | How do I turn on logging? | How do I turn off logging?
polarity | Can I return it with a receipt? | Can I return it without a receipt?
question | Why did the payment fail? | When did the payment fail?
question | Can I bring my dog? | How do I bring my dog?
question | Must I file a tax return? | May I file a tax return?
order    | Can the tenant sue the landlord? | Can the landlord sue the tenant?
order    | Is my boss allowed to sue me? | Am I allowed to sue my boss?
order    | Does our plan cover more than their plan? | Does their plan cover more than our plan?
word     | How do I boil eggs? | How do I fry eggs?
word     | What is the price of a bike? | What is the price of a used bike?
"""
CIRCUMVENTING = """
language | Bagaimana cara mengaktifkan akun saya | Bagaimana cara menonaktifkan akun saya sekarang
language | Kan jeg få refusion for en vare i Danmark | Kan jeg få erstatning for en ting i Danmark
language | Jak mogę zresetować hasło do konta? | Jak mogę usunąć hasło do swojego konta?
language | mera paisa kab aayega | mera paisa kahan gaya
code     | Translate "the house is big" to French | Translate "the home is large" to French
code     | How do I fix the "disk full" error? | What is the way to fix the "disk empty" error?
code     | What does "." mean in a regex? | What does "," mean in a regex?
symbol   | What is 6 * 7? | What is 6 + 7?
symbol   | What is 2 + 2? | What is 2 + 2 + 2?
symbol   | What is 5² in words? | What is 52 in words?
symbol   | Is x > 5 the condition? | Is x < 5 the condition?
symbol   | What does 😂 mean? | What does 😭 mean?
symbol   | 👍 | 👎
symbol   | What does & mean in C? | What does * mean in C?
number   | How do I take .5 mg of it to sleep better | What is the way to take .7 mg of it to sleep well
number   | Is it legal to marry at twenty-one in Texas? | Would it be legal to marry at thirty-one in Texas?
number   | How many days are in 2 weeks and 2 months? | How many days are in 2 weeks and months?
number   | Given x = 1 and y = 2, what's x? | With x = 2 and y = 1, what is x?
name     | How do you pronounce 你好 in Mandarin properly? | How would one pronounce 再见 in Mandarin correctly?
polarity | Why cant I log in to the portal today | Why can I log in to the portal today
polarity | Why don´t cats like the water? | Why do cats like the water?
polarity | Can I take it w/ food in the morning? | Can I take it w/o food in the morning?
order    | Can a dog bite a man? | Could a man bite a dog?
order    | Is a dog chased by a cat? | Does a dog chase a cat?
order    | Is `a` faster than `b`? | Is `b` faster than `a`?
order    | Can I copy `a` to b? | Can I copy b to `a`?
relation | How long does shipping to the UK take? | How long does shipping from the UK take?
relation | Is the book by Kant? | Is the book about Kant?
word     | Translate this to French: the house is big | Translate this to French: the home is large
"""
LET_THROUGH = """
How do I reset my password? | How can I reset my password?
How do I reset my password? | What is the way to reset my password?
How do I sort a list in Python? | In Python, how do I sort a list?
Who wrote Hamlet? | Who was Hamlet written by?
What is the capital of France? | tell me the capital of france
How do I enable two-factor login? | How can I turn on two-factor login?
How do I merge `a` into `b`? | How can I merge `a` into `b`?
Who painted the Mona Lisa? | The Mona Lisa was painted by whom?
What is a café? | What's a café?
Is a well-known name (any) better ? | Is a well-known name (any) better?
The limit is 1,000 tokens | The limit is 1000 tokens
Where is my order? | Hi, where is my order, please?
Is there a refund? | Is there a  refund?
"""


def pairs(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(" | ")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("guard", "one", "other"), [*pairs(REFUSED), *pairs(CIRCUMVENTING)])
def test_what_asks_for_something_else_is_refused_by_its_guard(guard: str, one: str, other: str):
    assert why_not_one(marks_of(one), marks_of(other)) == guard
    assert why_not_one(marks_of(other), marks_of(one)) == guard


@pytest.mark.parametrize(("one", "other"), pairs(LET_THROUGH))
def test_other_words_for_the_same_pass(one: str, other: str):
    assert why_not_one(marks_of(one), marks_of(other)) == ""


SOME = """
was + * 6-7 "so" 😂 w/o twenty-one .5 ² by about
how why when not never enable disable 5 5km Paris paris `x` /a/b to from than the I me my safe unsafe is can ? , .
was python java second two $ zwei der ünïcode 日本 it's don't no yes only page v2.10 2.1 1,000 x_y -v
"""
WORDS = st.sampled_from(SOME.split())
TEXTS = st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=14).map(" ".join))


@given(one=TEXTS, other=TEXTS)
@example(one="", other="how")
def test_guards_have_no_favourite_and_equals_always_pass(one: str, other: str):
    first, second = marks_of(one), marks_of(other)
    assert why_not_one(first, second) == why_not_one(second, first)
    assert why_not_one(first, marks_of(one)) == ""
    assert why_not_one(first, second) in ("", *GUARDS)


@given(words=st.lists(WORDS, min_size=1, max_size=10))
def test_a_text_and_its_denial_never_meet(words: list[str]):
    text = " ".join(words)
    assert why_not_one(marks_of(text), marks_of(f"{text} and never")) != ""


def test_opposites_are_so_both_ways():
    for one, others in OPPOSITES.items():
        assert one not in others
        assert all(one in OPPOSITES[other] for other in others)


def spoken(text: str) -> list[str]:
    return text.split()


def test_the_kind_of_a_question_is_found_where_it_stands():
    assert question_of(spoken("how many days"), asks=True) == "how many"
    assert question_of(spoken("tell me how it works"), asks=False) == "how"
    assert question_of(spoken("the guide that you need to learn how it works"), asks=False) == ""
    assert stem("studies") == stem("study")

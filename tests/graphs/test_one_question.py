"""Which tasks need no plan, by their words."""

import pytest

from graphs.one_question import is_courtesy, is_one_question, is_small_talk


@pytest.mark.parametrize(
    "task",
    [
        "What is 24 times 12?",
        "Multiply 288 by 3",
        "A library had 630 eggs and gave away 90. How many eggs are left?",
        "find all log files",
        "Hello!",
        "Write a poem about the sea.",
    ],
)
def test_one_question(task: str) -> None:
    assert is_one_question(task)


@pytest.mark.parametrize(
    "task",
    [
        "What is 24 times 12? Then subtract 8 from it.",
        "How many bikes are there? How many cars are there?",
        "What is the price of the Quest 300, and what is that of the Nomad 800?",
        "Count the players whose position is striker, and count the players whose position is defender.",
        "First write a bash command. A library had 630 eggs and gave away 90.",
        "What is the lowest salary among the employees and then write Python code: sort a list",
        "Multiply it by 3",
        "How much is the weight of FT874 and name the sum",
        "Tell me the cost of the parcel KU745. Multiply by 260.",
        "What is the difference between the two?",
        "Take #1 and double it",
    ],
)
def test_signs_of_several_steps(task: str) -> None:
    assert not is_one_question(task)


@pytest.mark.parametrize("text", ["Hello!", "thanks, that helps", "Can you help me?", "Tell me a joke about the sea."])
def test_small_talk(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "Who directed the film that starred Greta Garbo?",
        "Would a pear sink in water?",
        "What happened in 1848?",
        "Tell me all that is known of the causes of the decline of the great cities of the bronze age",
    ],
)
def test_questions_of_the_world_are_none(text: str) -> None:
    assert not is_small_talk(text)


@pytest.mark.parametrize("text", ["Hello!", "thanks, that helps", "Thank you very much for your help.", "ok", "no"])
def test_courtesies(text: str) -> None:
    assert is_courtesy(text)


@pytest.mark.parametrize("text", ["Hi, how are you?", "ok, summarize this contract clause", "yes, 3", "no. Write it"])
def test_words_that_ask_something_are_none(text: str) -> None:
    assert not is_courtesy(text)

"""Questions about invented notes: answered by words of one passage, and nothing of what is scored is trained on."""

import random
import re

from experts.training.synthesis.notes import NOT_FOUND, Notes, held_out_readings, reading_parts
from experts.training.synthesis.vocabulary import Vocabulary
from graphs.tools import search

TRAINED, HELD_OUT = Notes.load("notes"), Notes.load("notes_held_out")


def test_an_answer_stands_in_one_passage_or_was_not_found() -> None:
    rng = random.Random(0)
    readings = [TRAINED.ask(rng) for _ in range(2000)]
    unanswered = [one for one in readings if one.answer == NOT_FOUND]
    assert 100 < len(unanswered) < 300
    for one in readings:
        assert "{" not in one.question + one.passages
        if one.answer != NOT_FOUND:
            whole = re.compile(rf"(?<!\w){re.escape(one.answer)}(?!\w)")
            assert any(whole.search(line) for line in one.passages.split("\n"))


def test_the_passages_stand_as_the_tool_shows_them() -> None:
    assert search.NOT_FOUND == NOT_FOUND
    parts = reading_parts(TRAINED.ask(random.Random(1)))
    first, *passages = parts.context.split("\n")
    assert first == "Passages:"
    assert all(re.match(r"\[[\w/]+\.md:\d+\] \S", line) for line in passages)


def test_a_reading_may_be_a_step_of_a_task() -> None:
    reading = TRAINED.ask(random.Random(2))
    alone, step = reading_parts(reading), reading_parts(reading, f"{reading.question} Then rest.")
    assert (alone.task, alone.step) == (reading.question, "")
    assert (step.task, step.step) == (f"{reading.question} Then rest.", reading.question)


def test_no_held_out_word_or_sentence_is_trained_on() -> None:
    vocabulary = Vocabulary.load()
    words = {word.lower() for several in TRAINED.words.values() for word in several}
    words |= {word.lower() for word in (*vocabulary.first_names, *vocabulary.last_names)}
    assert words.isdisjoint(word.lower() for several in HELD_OUT.words.values() for word in several)

    def bare(line: str) -> str:
        return re.sub(r"\W*\{\w+\}\W*", " _ ", line.partition(" | ")[0]).strip(" ?.").lower()

    trained = {bare(line) for fact in TRAINED.facts for line in fact}
    assert trained.isdisjoint(bare(line) for fact in HELD_OUT.facts for line in fact)


def test_the_held_out_questions_are_the_same_every_time() -> None:
    assert held_out_readings(20) == held_out_readings(20)
    assert len({one.question for one in held_out_readings(200)}) == 200

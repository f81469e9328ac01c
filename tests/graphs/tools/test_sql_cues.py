"""What the words of a step rule out in its query."""

import pytest

from graphs.tools.schema import Column, Schema, Table
from graphs.tools.sql_cues import SIGNS, Cues

HOTELS = Table(
    "hotels",
    "hotels",
    (
        Column("hotel_id", "hotel_id", is_numeric=True),
        Column("name", "name", is_numeric=False),
        Column("city", "city", is_numeric=False),
        Column("day_rate", "day_rate", is_numeric=True),
        Column("rate", "rate", is_numeric=True),
        Column("total_stars", "total_stars", is_numeric=True),
    ),
    naming="name",
)
SCHEMA = Schema((HOTELS,), ())


def read(step: str) -> Cues:
    return Cues.read(step, SCHEMA)


@pytest.mark.parametrize(
    ("words", "signs"),
    [
        ("a rate above 50", ("=", ">")),
        ("a rate of at least 50", ("=", ">=")),
        ("no fewer than 50 rooms", ("=", ">=")),
        ("no more than 50 rooms", ("=", "<=")),
        ("not exceeding 50", ("=", "<=")),
        ("fewer than 50 rooms and a rate over 9", ("=", ">", "<")),
        ("50 or more", ("=", ">=")),
        ("built before 1990, with more than 3 stars", SIGNS),
        ("a rate that is not one of more than 50", SIGNS),
        ("slower than 50", SIGNS),
        ("older than 50", SIGNS),
        ("a rate of 50", SIGNS),
        ("eine Rate von 50", SIGNS),
    ],
)
def test_a_comparison_goes_the_way_that_is_said(words: str, signs: tuple[str, ...]) -> None:
    assert read(f"Which hotels have {words}?").signs == signs


@pytest.mark.parametrize(
    ("step", "directions", "extremes"),
    [
        ("the lowest rate", ("ASC",), ("MIN",)),
        ("the highest rate", ("DESC",), ("MAX",)),
        ("the lowest of the highest rates", ("DESC", "ASC"), ("MAX", "MIN")),
        ("the slowest", ("DESC", "ASC"), ("MAX", "MIN")),
        ("the first one", ("DESC", "ASC"), ("MAX", "MIN")),
        ("at least one, at most two", ("DESC", "ASC"), ("MAX", "MIN")),
    ],
)
def test_an_order_goes_the_way_that_is_said(step: str, directions: tuple[str, ...], extremes: tuple[str, ...]) -> None:
    cues = read(step)
    assert (cues.directions, cues.extremes) == (directions, extremes)


@pytest.mark.parametrize(
    ("step", "function"),
    [
        ("What is the average rate?", "AVG"),
        ("What is the combined rate of all hotels?", "SUM"),
        ("What are the total stars of Bright Harbor?", None),
        ("Which hotel has the highest total?", None),
        ("What is the rate?", None),
        ("What does this rate mean?", None),
    ],
)
def test_a_function_is_asked_for_by_name(step: str, function: str | None) -> None:
    assert read(step).function == function


@pytest.mark.parametrize(
    ("step", "is_asked"),
    [
        ("Which hotel has the highest rate?", True),
        ("Return the 5 hotels of the lowest rate.", True),
        ("Can you list every hotel in Oslo?", True),
        ("Whose rate is the highest?", True),
        ("In Oslo, which ones have a rate above 9?", True),
        ("What is the rate of the hotel whose city is Oslo?", False),
        ("Which hotel rate is the highest?", False),
        ("Give me the hotel's rate.", False),
        ("What is the rate of Bright Harbor?", False),
    ],
)
def test_things_are_asked_for_by_their_names(step: str, is_asked: bool) -> None:
    assert read(step).asks_for(HOTELS) is is_asked


def test_the_longest_name_is_the_one_that_is_said() -> None:
    assert read("What is the day rate in the cities?").mentioned(HOTELS) == {"day_rate", "city"}


@pytest.mark.parametrize(
    ("step", "query", "doubts"),
    [
        ("Which hotels have a rate above 50?", "SELECT name FROM hotels WHERE rate > 50", []),
        (
            "Which hotels have a rate above 50?",
            "SELECT rate FROM hotels WHERE rate < 50",
            ["< is not what the step says", "'name' is asked for"],
        ),
        ("What is the lowest rate?", "SELECT MAX(rate) FROM hotels", ["MAX is not what the step says"]),
        ("What is the lowest rate?", "SELECT name FROM hotels", ["MIN is missing", "'rate' was not used"]),
        ("What is the lowest rate?", "SELECT descent, rate FROM hotels WHERE city = 'A or B' ORDER BY rate ASC", []),
        ("What is the average rate?", "SELECT rate FROM hotels", ["AVG is missing"]),
        ("In total, how many hotels are there?", "SELECT COUNT(*) FROM hotels", []),
        ("Count the hotels above 50.", "SELECT COUNT(*) FROM hotels WHERE city > 50", ["city is no number"]),
        (
            "What is the rate in this city?",
            "SELECT rate FROM hotels WHERE rate = 5 OR city = 'Oslo'",
            ["OR is not what the step says"],
        ),
        ("What is the rate in one city or the other?", "SELECT rate FROM hotels WHERE rate = 5 OR city = 'Oslo'", []),
        ("What are the rates in both?", "SELECT rate FROM hotels WHERE city = 'Oslo' OR city = 'Rome'", []),
    ],
)
def test_a_query_against_the_words_is_doubted(step: str, query: str, doubts: list[str]) -> None:
    assert read(step).doubts(query, SCHEMA) == doubts


@pytest.mark.parametrize(
    ("name", "said"),
    [("bakeries", "bakery"), ("city", "cities"), ("classes", "class"), ("glass", "glasses"), ("dayRates", "day rate")],
)
def test_one_thing_and_many_are_the_same_name(name: str, said: str) -> None:
    table = Table(name, name, (Column("title", "title", is_numeric=False),), naming="title")
    assert Cues.read(f"Which {said} is it?", Schema((table,), ())).asks_for(table)


def test_a_column_with_a_tables_name_in_its_own_stands_for_the_table() -> None:
    borders = Table("borders", "borders", (Column("hotel_name", "hotel_name", is_numeric=False),))
    rooms = Table("rooms", "rooms", (Column("size", "size", is_numeric=True),))
    cues = Cues.read("What hotels are near?", schema := Schema((HOTELS, borders, rooms), ()))
    assert cues.doubts("SELECT hotel_name FROM borders", schema) == []
    assert cues.doubts("SELECT size FROM rooms", schema) == ["'hotels' was not used"]


def test_a_name_within_a_longer_one_of_another_table_is_not_said() -> None:
    owners = Table("owners", "owners", (Column("birth_city", "birth_city", is_numeric=False),))
    schema = Schema((HOTELS, owners), ())
    assert not Cues.read("What is the birth city of the owner?", schema).needs(HOTELS, "city")


def test_a_superlative_within_a_columns_name_is_none() -> None:
    peaks = Table("peaks", "peaks", (Column("highest_point", "highest_point", is_numeric=False),))
    cues = Cues.read("What is the highest point of Oslo?", schema := Schema((peaks,), ()))
    assert cues.doubts("SELECT highest_point FROM peaks", schema) == []


def test_of_two_tables_whose_things_may_be_asked_for_one_is_shown() -> None:
    owners = Table("owners", "owners", (Column("owner", "owner", is_numeric=False),), naming="owner")
    schema = Schema((HOTELS, owners), ())
    query = "SELECT owners.owner FROM hotels JOIN owners ON 1"
    assert Cues.read("Whose hotel is this?", schema).doubts(query, schema) == []

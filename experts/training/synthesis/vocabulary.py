"""The invented world of the synthetic rows."""

import random
from dataclasses import dataclass

FIRST_NAMES = [
    "Alma",
    "Bruno",
    "Clara",
    "Dario",
    "Edda",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Luca",
    "Mira",
    "Nils",
    "Olga",
    "Pablo",
    "Rosa",
    "Sven",
    "Tara",
    "Umar",
    "Vera",
    "Walid",
    "Xenia",
    "Yusuf",
    "Zoe",
    "Agnes",
    "Boris",
    "Celia",
    "Diego",
    "Elena",
    "Farid",
    "Gloria",
    "Henrik",
    "Isa",
    "Jamal",
    "Karin",
    "Leon",
    "Marta",
    "Noor",
    "Oscar",
    "Petra",
    "Quentin",
]
LAST_NAMES = [
    "Adler",
    "Bauer",
    "Costa",
    "Duarte",
    "Eklund",
    "Ferrari",
    "Garcia",
    "Hansen",
    "Ivanov",
    "Jensen",
    "Keller",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Sato",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zeman",
    "Almeida",
    "Berg",
    "Conti",
    "Dumas",
    "Egger",
    "Fischer",
    "Gomez",
    "Horvat",
    "Ito",
    "Jovanovic",
]
CITIES = [
    "Oslo",
    "Lisbon",
    "Prague",
    "Vienna",
    "Dublin",
    "Athens",
    "Warsaw",
    "Helsinki",
    "Bern",
    "Turin",
    "Porto",
    "Malmo",
    "Ghent",
    "Graz",
    "Lyon",
    "Nantes",
    "Leeds",
    "Cork",
    "Bilbao",
    "Krakow",
    "Tartu",
    "Riga",
    "Vilnius",
    "Sofia",
    "Zagreb",
    "Split",
    "Bari",
    "Genoa",
    "Seville",
    "Bremen",
]
COLOURS = ("red", "blue", "green", "white", "black", "silver", "yellow", "brown")
ADJECTIVES = [
    "Golden",
    "Silent",
    "Northern",
    "Royal",
    "Hidden",
    "Bright",
    "Old",
    "Grand",
    "Little",
    "Iron",
    "Crystal",
    "Wild",
    "Amber",
    "Stone",
    "Velvet",
    "Lunar",
    "Coral",
    "Misty",
]
NOUNS = [
    "Harbor",
    "Falcon",
    "Garden",
    "Mill",
    "Crown",
    "Valley",
    "Lantern",
    "Bridge",
    "Forest",
    "Star",
    "Anchor",
    "Meadow",
    "Tower",
    "River",
    "Summit",
    "Island",
    "Fox",
]


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of thing that a table holds: its texts' values are drawn from `texts`, its numbers from ranges."""

    table: str
    singular: str
    plural: str
    key: str
    name_kind: str
    texts: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[int, int]]


def _entity(
    table: str, singular: str, key: str, kind: str, texts: dict[str, tuple[str, ...]], **numbers: tuple[int, int]
) -> Entity:
    return Entity(table, singular, table.replace("_", " "), key, kind, texts, numbers)


_CITY = tuple(CITIES)
ENTITIES = (
    _entity(
        "hotels",
        "hotel",
        "name",
        "place",
        {"city": _CITY, "category": ("budget", "family", "luxury")},
        rooms=(20, 400),
        rate=(40, 300),
    ),
    _entity(
        "flights",
        "flight",
        "flight_number",
        "code",
        {"origin": _CITY, "destination": _CITY},
        seats=(50, 320),
        duration=(45, 600),
    ),
    _entity(
        "employees",
        "employee",
        "name",
        "person",
        {"department": ("sales", "legal", "support", "research"), "office": _CITY},
        salary=(1800, 9000),
        age=(20, 64),
    ),
    _entity(
        "movies",
        "movie",
        "title",
        "title",
        {"director": tuple(LAST_NAMES), "genre": ("drama", "comedy", "thriller")},
        year=(1960, 2024),
        length=(80, 190),
    ),
    _entity(
        "farms",
        "farm",
        "name",
        "place",
        {"region": _CITY, "crop": ("wheat", "barley", "maize", "rye")},
        cows=(5, 300),
        area=(10, 900),
    ),
    _entity(
        "museums",
        "museum",
        "name",
        "place",
        {"city": _CITY, "topic": ("art", "science", "history")},
        visitors=(900, 90000),
        founded=(1800, 2015),
    ),
    _entity(
        "players",
        "player",
        "name",
        "person",
        {"team": ("Rovers", "United", "Wanderers", "Athletic"), "position": ("keeper", "defender", "striker")},
        goals=(0, 40),
        matches=(1, 60),
    ),
    _entity(
        "patients",
        "patient",
        "name",
        "person",
        {"ward": ("north", "south", "surgery"), "doctor": tuple(LAST_NAMES)},
        weight=(45, 120),
        visits=(1, 30),
    ),
    _entity(
        "cars",
        "car",
        "plate",
        "code",
        {"color": COLOURS, "maker": ("Vanta", "Morio", "Kestrel")},
        mileage=(500, 200000),
        doors=(2, 5),
    ),
    _entity(
        "courses",
        "course",
        "title",
        "title",
        {"teacher": tuple(LAST_NAMES), "level": ("basic", "advanced")},
        students=(5, 200),
        hours=(10, 120),
    ),
    _entity(
        "ships",
        "ship",
        "name",
        "title",
        {"port": _CITY, "type": ("ferry", "tanker", "tug")},
        crew=(4, 90),
        length=(20, 300),
    ),
    _entity(
        "invoices",
        "invoice",
        "number",
        "code",
        {"client": tuple(LAST_NAMES), "status": ("paid", "open", "late")},
        amount=(50, 9000),
        days=(1, 90),
    ),
    _entity(
        "restaurants",
        "restaurant",
        "name",
        "place",
        {"city": _CITY, "cuisine": ("Thai", "Greek", "Indian")},
        tables=(5, 60),
        stars=(1, 5),
    ),
    _entity(
        "parcels",
        "parcel",
        "code",
        "code",
        {"recipient": tuple(LAST_NAMES), "destination": _CITY},
        weight=(1, 40),
        cost=(3, 90),
    ),
    _entity(
        "schools",
        "school",
        "name",
        "place",
        {"district": _CITY, "kind": ("public", "private")},
        pupils=(90, 1800),
        classrooms=(6, 70),
    ),
    _entity(
        "machines",
        "machine",
        "machine_id",
        "code",
        {"hall": ("A", "B", "C"), "operator": tuple(LAST_NAMES)},
        power=(5, 400),
        output=(10, 2000),
    ),
)


def person(rng: random.Random) -> str:
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def name_of(entity: Entity, rng: random.Random) -> str:
    """A name for one thing of this kind."""
    match entity.name_kind:
        case "person":
            return person(rng)
        case "code":
            return f"{rng.choice('ABCDEFGHKLM')}{rng.choice('NPRSTUVWXZ')}{rng.randint(10, 999)}"
        case _:
            return f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"

"""A key's record holds a hash; its secret says which key it is."""

import pytest

from orchestrator.api_key import ApiKey, Scope, key_name_in

KEY, SECRET = ApiKey.issue("ann-1_x", "default", (Scope.RUNS,))


def test_the_record_does_not_hold_the_secret() -> None:
    assert SECRET not in KEY.model_dump_json()
    assert SECRET.removeprefix("ccoe_ann-1_x_") not in KEY.model_dump_json()
    assert (KEY.name, KEY.tenant, KEY.scopes) == ("ann-1_x", "default", (Scope.RUNS,))


def test_a_key_opens_with_its_own_secret_only() -> None:
    again, other = ApiKey.issue("ann-1_x", "default", (Scope.RUNS,))
    assert KEY.opens_with(SECRET)
    assert not KEY.opens_with(other)
    assert not KEY.opens_with(SECRET[:-1])
    assert not again.opens_with(SECRET)


@pytest.mark.parametrize(
    ("secret", "name"),
    [
        (SECRET, "ann-1_x"),
        ("", None),
        ("sk-123", None),
        (f"{SECRET}\n", None),
        (SECRET.upper(), None),
        (f"ccoe__{'0' * 64}", None),
        (f"ccoe_ann_{'0' * 63}", None),
        (f"ccoe_{'a' * 49}_{'0' * 64}", None),
    ],
    ids=["issued", "empty", "another kind", "line end", "upper case", "no name", "too short", "long name"],
)
def test_a_secret_says_whose_it_is(secret: str, name: str | None) -> None:
    assert key_name_in(secret) == name

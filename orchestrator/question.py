"""What a run asks a person, as its record keeps it."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from graphs.events import AnswerWanted
from graphs.person import PersonAnswer


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenAnswer(_Record):
    """What was said, by whom and when. Given once."""

    answer: PersonAnswer
    by: str
    """As the API knows them: a key's name, or a reserved name."""
    at: AwareDatetime


class Question(_Record):
    """A question, and its answer when there is one."""

    wanted: AnswerWanted
    asked: AwareDatetime
    given: GivenAnswer | None = None

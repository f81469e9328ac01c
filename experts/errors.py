"""The errors of this package.

ExpertError
├── BackboneError          the backbone could not be found, fetched or split
├── CheckpointError        an expert's files do not fit: names the tensor, the file or the hash
├── ExchangeError          an expert cannot be brought from or into another format or place
├── GateInvalid            a trained gate is damaged, or made for another backbone
├── UnknownExpert          no such expert, or no such version of it
├── NoEarlierVersion       no version of the expert was active before
├── ExpertDetached         the expert was detached while it answered
├── PromptTooLong          the prompt leaves no room in the context
├── PromptInvalid          token ids or a candidate that cannot be asked
├── GrammarError           the grammar or schema cannot be compiled
├── EngineBusy             too many sequences; come back later
├── EngineClosed           the engine has stopped
├── DatasetError           a row that cannot be used: names file and line
├── AlreadyMade            the expert is there, made with the same
├── ResumeRefused          a training cannot go on from its checkpoint: names what differs
└── TrainingFileError      activations or a checkpoint cannot be written
"""

from pathlib import Path


class ExpertError(Exception):
    """Base of all errors of `experts`; the message says what is wrong and what to do."""


class BackboneError(ExpertError):
    """The backbone could not be found, fetched or split."""


class CheckpointError(ExpertError):
    """An expert's files do not fit this backbone or are damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"expert at {str(path)!r}: {reason}")


class ExchangeError(ExpertError):
    """An expert cannot be exported, imported, uploaded or downloaded."""

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what}: {reason}")


class GateInvalid(ExpertError):
    """A trained gate cannot be read, or was trained on another backbone."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"gate at {str(path)!r}: {reason}; train one for this backbone: ccoe gate train")


class UnknownExpert(ExpertError):
    """No such expert, or no such version of it."""

    def __init__(self, name: str, known: tuple[str, ...], version: str | None = None) -> None:
        self.name, self.known, self.version = name, known, version
        what = f"{name!r}" if version is None else f"{name!r} in version {version!r}"
        super().__init__(f"no expert {what}; known: {', '.join(known) or 'none'} (see `ccoe experts list`)")


class NoEarlierVersion(ExpertError):
    """No version of the expert was active before the present one."""

    def __init__(self, name: str, kept: tuple[str, ...]) -> None:
        self.name, self.kept = name, kept
        remedy = f"name one with --to ({', '.join(kept)}), or push another"
        super().__init__(f"no earlier version of {name!r} was active; {remedy}")


class ExpertDetached(ExpertError):
    """The expert was detached while it answered."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"expert {name!r} was detached while it answered; attach it again or ask another one")


class PromptTooLong(ExpertError):
    """The prompt leaves no room for an answer in the model's context."""

    def __init__(self, num_tokens: int, max_tokens: int) -> None:
        self.num_tokens, self.max_tokens = num_tokens, max_tokens
        super().__init__(
            f"the prompt has {num_tokens} tokens, the context takes {max_tokens} with the answer; shorten the task"
        )


class PromptInvalid(ExpertError):
    """Token ids or a candidate that cannot be asked."""


class GrammarError(ExpertError):
    """The grammar or schema cannot be compiled."""


class EngineBusy(ExpertError):
    """Too many sequences; come back later."""

    def __init__(self, num_sequences: int) -> None:
        self.num_sequences = num_sequences
        super().__init__(f"the engine has {num_sequences} sequences; retry after some have ended")


class EngineClosed(ExpertError):
    """The engine has stopped and takes no more work."""


class DatasetError(ExpertError):
    """A row that cannot be used."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        where = str(path) if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {reason}")


class AlreadyMade(ExpertError):
    """The expert that a training would make is there, made with the same: it is left as it is."""

    def __init__(self, path: Path, version: str) -> None:
        self.path, self.version = path, version
        super().__init__(f"{str(path)!r} is finished, version {version}; without --resume it is made again")


class ResumeRefused(ExpertError):
    """A training cannot go on from its checkpoint: it was made otherwise, or is damaged."""

    def __init__(self, path: Path, differences: tuple[str, ...]) -> None:
        self.path, self.differences = path, differences
        remedy = "train with what it was made with, or without --resume"
        super().__init__(f"cannot resume from {str(path)!r}: {'; '.join(differences)}; {remedy}")


class TrainingFileError(ExpertError):
    """What a training keeps on disk cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"cannot write {str(path)!r}: {reason}; make room there, or name another folder")

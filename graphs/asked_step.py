"""A step as an expert is asked it: all that its result depends on."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

from graphs.generation import Generation
from graphs.plan import Step
from graphs.protocols import ExpertProfile, Prompt, Sampling, Tool


@dataclass(frozen=True, slots=True)
class AskedStep:
    """An attempt at a step: its text filled in, its prompt, its expert, its tool, and which of its samples it is."""

    step: Step
    text: str
    prompt: Prompt
    profile: ExpertProfile
    tool: Tool | None
    sample: int = 0
    generations: list[Generation] = field(default_factory=list[Generation])
    """All that was written for it, what was not taken included."""

    def cache_key(self, sampling: Sampling) -> str | None:
        """What the result is kept under for later runs: a digest; None if the same attempt could find something else.

        That is so if the expert has no backbone here, or if its tool reads or changes what is outside of the run.
        """
        tool, profile = self.tool, self.profile
        is_repeatable = tool is None or (tool.version is not None and not tool.has_effects)
        if profile.backbone is None or not is_repeatable:
            return None
        expert = (profile.backbone, profile.name, profile.version, profile.max_tokens)
        turns = [(turn.task, turn.answer) for turn in self.prompt.turns]
        # of the turns only what is read; the priority nobody reads
        parts = asdict(replace(self.prompt, turns=(), priority=0))
        computed = (tool.name, tool.version) if tool else None
        given = json.dumps([expert, parts, turns, asdict(sampling), self.text, self.step.choices, computed])
        return hashlib.sha256(given.encode()).hexdigest()

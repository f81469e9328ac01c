"""Scores experts on dev rows, each beside the general expert on the same rows."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.card import Metric
from experts.engine.events import TokenEvent
from experts.engine.generation import ModelState, generate
from experts.engine.grammar import GrammarCompiler
from experts.prompt import PromptParts, PromptRenderer
from experts.sampling_params import SamplingParams
from experts.training.comparison import Measure, loss, macro_f1, mean, perplexity
from experts.training.datasets import Dataset
from experts.training.metrics import (
    Calculate,
    Execute,
    answer_match,
    bootstrap_difference,
    exact_match,
    execution_match,
    last_number_match,
    passes_tests,
    query_match,
)
from experts.training.plan_metrics import edge_f1, step_f1, valid_plan
from experts.training.rows import TrainingRow

Judge = Callable[[str, str], float]
"""Compares an answer with the target."""
OnDone = Callable[[int], None]
"""Gets the number of rows just finished."""


class Scored(Protocol):
    """The model that is scored, for who asks it."""

    def write(self, parts: PromptParts, params: SamplingParams) -> Iterator[TokenEvent]:
        """An answer to a prompt."""
        ...

    def score(self, parts: PromptParts, candidates: Sequence[str]) -> list[float]:
        """The log-probability of each whole candidate."""
        ...


Ask = Callable[[Scored, TrainingRow], str]
"""Has a row's question answered as the service does: within the tool's grammar, anew while the tool doubts."""


@dataclass(frozen=True, slots=True)
class Querying:
    """What a set's database is for: it executes queries, and experts are asked over it."""

    execute: Execute
    ask: Ask


def no_database(_: Dataset) -> None:
    """Nothing executes queries."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What answers are computed with: the calculator, and the queries on a set's database if it has one."""

    calculate: Calculate
    querying: Callable[[Dataset], Querying | None] = no_database


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What scoring needs: the backbone with its tokenizer, the suffix that every expert is asked with, a calculator."""

    backbone: Backbone
    suffix: str
    calculate: Calculate
    max_tokens: int = 96
    batch_size: int = 32
    querying: Querying | None = None
    """The database's; the metric `execution` needs it."""

    def scores(self, model: PreTrainedModel, rows: Sequence[TrainingRow], metric: str, on_done: OnDone) -> list[float]:
        """A score between 0 and 1 for each row, in the rows' order."""
        if metric == "label":
            labels = self._labels(model, rows, on_done)
            return [float(label == row.target) for label, row in zip(labels, rows, strict=True)]
        judge = self._judges(metric)[metric]
        answers = (self._asked if metric == "execution" else self.answers)(model, rows, on_done)
        return [judge(answer, row.target) for answer, row in zip(answers, rows, strict=True)]

    def measures(
        self, model: PreTrainedModel, rows: Sequence[TrainingRow], metric: str, on_done: OnDone
    ) -> list[Measure]:
        """The metric and those that go with it, then loss and perplexity of the wanted answers."""
        if metric == "label":
            labels = self._labels(model, rows, on_done)
            pairs = [(label, row.target) for label, row in zip(labels, rows, strict=True)]
            found = [Measure("label", [float(a == b) for a, b in pairs], mean), Measure("macro_f1", pairs, macro_f1)]
        else:
            answers = self.answers(model, rows, on_done)
            found = [_measure(name, judge, answers, rows) for name, judge in self._judges(metric).items()]
        if metric == "execution":
            judge, asked = self._judges(metric)[metric], self._asked(model, rows, lambda _: None)
            plain = replace(found[0], name="execution_without_grammar")
            found = [_measure(metric, judge, asked, rows), plain, *found[1:]]
        losses = [self._loss(model, row) for row in rows]
        return [*found, Measure("loss", losses, loss), Measure("perplexity", losses, perplexity)]

    def _judges(self, metric: str) -> Mapping[str, Judge]:
        """How an answer is compared with the target: the metric's own way first."""
        match metric:
            case "answer":
                with_calculator = partial(answer_match, calculate=self.calculate)
                return {"answer": with_calculator, "answer_without_calculator": last_number_match}
            case "execution":
                assert self.querying is not None
                execute = self.querying.execute
                return {"execution": partial(execution_match, execute=execute), "query_match": query_match}
            case "step_f1":
                return {"step_f1": step_f1, "edge_f1": edge_f1, "valid_plan": valid_plan}
            case _:
                plain = {"exact_match": exact_match, "query_match": query_match, "tests": passes_tests}
                return {metric: plain[metric]}

    @torch.inference_mode()
    def _loss(self, model: PreTrainedModel, row: TrainingRow) -> tuple[float, int]:
        """Nats of the wanted answer with its end, and how many tokens they are for."""
        prompt, renderer = self._prompt(row), self._renderer
        answer = [i for segment in row.segments for i in renderer.encode(segment)]
        answer.append(min(self.backbone.eos_token_ids))
        output: Any = model(input_ids=torch.tensor([[*prompt, *answer]]), logits_to_keep=len(answer) + 1)
        nats = functional.cross_entropy(output.logits[0, :-1].float(), torch.tensor(answer), reduction="sum")
        return float(nats), len(answer)

    def _asked(self, model: PreTrainedModel, rows: Sequence[TrainingRow], on_done: OnDone) -> list[str]:
        """Answers as the service has them from an expert with the tool."""
        assert self.querying is not None
        scored = _Scored(model, self.backbone, self.suffix, _compiler(self.backbone))
        found: list[str] = []
        for row in rows:
            found.append(self.querying.ask(scored, row))
            on_done(1)
        return found

    def answers(self, model: PreTrainedModel, rows: Sequence[TrainingRow], on_done: OnDone) -> list[str]:
        """Greedy answers without a grammar, decoded in batches of similar length."""
        prompts = [self._prompt(row) for row in rows]
        found: dict[int, str] = {}
        order = sorted(range(len(rows)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            for index, text in zip(indices, self._decode(model, [prompts[i] for i in indices]), strict=True):
                found[index] = text
            on_done(len(indices))
        return [found[i] for i in range(len(rows))]

    @torch.inference_mode()
    def _decode(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> Iterator[str]:
        longest = max(map(len, prompts))
        input_ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        attention_mask = torch.zeros_like(input_ids)
        for row, prompt in enumerate(prompts):  # padded on the left, where generation does not continue
            input_ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            attention_mask[row, longest - len(prompt) :] = 1
        generator: Any = model
        eos = sorted(self.backbone.eos_token_ids)
        output = generator.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            max_new_tokens=self.max_tokens,
            do_sample=False,
            eos_token_id=eos,
            pad_token_id=eos[0],
        )
        for row in output[:, longest:].tolist():
            yield str(self.backbone.tokenizer.decode(row, skip_special_tokens=True))

    def _labels(self, model: PreTrainedModel, rows: Sequence[TrainingRow], on_done: OnDone) -> list[str]:
        """The likeliest label of each row, of those that the file's rows of its question have."""
        labels = label_sets(rows)
        found: list[str] = []
        for row in rows:
            candidates = labels[question(row)]
            state = ModelState(model)
            encoded = [self._encode(label) for label in candidates]
            likelihoods = state.score(encoded, state.forward(self._prompt(row)))
            found.append(candidates[max(range(len(candidates)), key=likelihoods.__getitem__)])
            on_done(1)
        return found

    def _encode(self, label: str) -> list[int]:
        eos = min(self.backbone.eos_token_ids)  # with its end, so that no label wins by being another's beginning
        return [*self._renderer.encode(label), eos]

    def _prompt(self, row: TrainingRow) -> list[int]:
        return self._renderer.render(row.parts, self.suffix)

    @property
    def _renderer(self) -> PromptRenderer:
        return PromptRenderer(self.backbone.tokenizer)


@dataclass(frozen=True, slots=True)
class _Scored:
    """One assembled model, asked with a suffix."""

    model: PreTrainedModel
    backbone: Backbone
    suffix: str
    compiler: GrammarCompiler

    def write(self, parts: PromptParts, params: SamplingParams) -> Iterator[TokenEvent]:
        matcher = self.compiler.compile(params.grammar) if params.grammar else None
        tokenizer, eos = self.backbone.tokenizer, self.backbone.eos_token_ids
        return generate(self.model, tokenizer, self._prompt(parts), params, matcher, eos)

    def score(self, parts: PromptParts, candidates: Sequence[str]) -> list[float]:
        state, renderer = ModelState(self.model), PromptRenderer(self.backbone.tokenizer)
        return state.score([renderer.encode(text) for text in candidates], state.forward(self._prompt(parts)))

    def _prompt(self, parts: PromptParts) -> list[int]:
        return PromptRenderer(self.backbone.tokenizer).render(parts, self.suffix)


def _compiler(backbone: Backbone) -> GrammarCompiler:
    vocab_size = backbone.model.config.get_text_config().vocab_size
    return GrammarCompiler(backbone.tokenizer, vocab_size, backbone.eos_token_ids)


def _measure(name: str, judge: Judge, answers: Sequence[str], rows: Sequence[TrainingRow]) -> Measure:
    return Measure(name, [judge(answer, row.target) for answer, row in zip(answers, rows, strict=True)], mean)


def question(row: TrainingRow) -> str:
    """What a classification row asks: rows with the same options share their labels."""
    text = row.parts.task
    if "Answer Yes or No" in text:
        return "yes or no"
    return "options" if "Options:" in text.partition("\n")[0] else "closed"


def label_sets(rows: Sequence[TrainingRow]) -> dict[str, list[str]]:
    """The labels by question, in alphabetical order."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(question(row), set()).add(row.target)
    return {key: sorted(labels) for key, labels in found.items()}


def compare(
    dataset: str, metric: str, rows: Sequence[TrainingRow], own: Sequence[float], general: Sequence[float]
) -> Metric:
    """The figure of an expert beside the general expert's, with the paired bootstrap interval of the difference."""
    low, high = bootstrap_difference(own, general)
    figure = Metric(
        dataset=dataset,
        metric=metric,
        num_rows=len(rows),
        value=sum(own) / len(own),
        general=sum(general) / len(general),
        difference_low=low,
        difference_high=high,
    )
    return _beside_majority(figure, rows, own) if metric == "label" else figure


def _beside_majority(figure: Metric, rows: Sequence[TrainingRow], own: Sequence[float]) -> Metric:
    """The figure with that of always answering these rows' own most frequent label: no other constant does better."""
    label = Counter(row.target for row in rows).most_common(1)[0][0]
    constant = [float(row.target == label) for row in rows]
    low, high = bootstrap_difference(own, constant)
    majority = sum(constant) / len(constant)
    return figure.model_copy(update={"majority": majority, "majority_low": low, "majority_high": high})

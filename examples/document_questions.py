"""Questions about the user's own files, each answered from the passages that are found for it.

ccoe index FOLDER
ccoe workflow run examples/document_questions.py --input 'questions=["How long is the warranty?"]'
"""

from graphs.policies import StepPolicy
from graphs.workflows.definition import Workflow, WorkflowStep

PROMPT = """\
Answer the question from these passages only. If they do not say it, say that they do not.
{{ item }}
Question: {{ inputs.questions[loop.index0] }}"""

workflow = Workflow(
    name="document_questions",
    description="Answers questions from the user's files, with the places that the answers come from.",
    inputs={
        "properties": {
            "questions": {"type": "array", "items": {"type": "string", "minLength": 3}, "minItems": 1, "maxItems": 20},
            "passages": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2},
        },
        "required": ["questions"],
    },
    steps={
        "found": WorkflowStep(
            for_each="inputs.questions",
            tool="search",
            arguments={"query": "{{ item }}", "k": "{{ inputs.passages }}"},
            policy=StepPolicy(on_failure="default", default="(nothing was found)"),
        ),
        "answers": WorkflowStep(
            for_each="steps.found.result",
            expert="general",
            prompt=PROMPT,
        ),
    },
    output="""\
{% for question in inputs.questions %}
{{ question }}
{{ steps.answers.result[loop.index0] }}
{{ steps.found.result[loop.index0] }}

{% endfor %}""",
)

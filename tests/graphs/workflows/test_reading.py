"""Every fault of a workflow file is named at once, with its line, its step and a remedy."""

from pathlib import Path

import pytest

from graphs.errors import InvalidWorkflow
from graphs.workflows.reading import read_workflow
from tests.graphs.workflows.written import faults, workflow

WRONG = """\
name: wrong
surprise: 1
inputs:
  properties:
    count: {type: intgr}
steps:
  first:
    expert: general
    promt: hello
  second:
    expert: general
    prompt: |
      a line
      {{ steps.third.result }} {{ inputs.nope }}
  third:
    tool: sql
    arguments:
      query: "{{ steps.nobody.result }}"
      deep: ["{{ ''.__class__ }}"]
    if: steps.second.result ==
    needs: [fourth]
  fourth:
    expert: general
    prompt: "{% set x = 1 %}{{ item }}"
    tool: sql
  fifth:
    expert: general
    prompt: "{{ item }}"
    policy: {timeout: -1}
output: "{{ steps.second.what }}"
"""


def test_all_faults_are_named_with_line_step_and_remedy(tmp_path: Path) -> None:
    found = faults(tmp_path, WRONG)
    expected = [
        "flow.yaml:2: surprise: unknown field; fields: name",
        "flow.yaml:5: inputs.properties.count.type: no valid JSON Schema: 'intgr'",
        "flow.yaml:9: step 'first': promt: unknown field; fields: expert, prompt",
        "flow.yaml:14: step 'second': prompt: step 'third' does not stand before it; move that one up",
        "flow.yaml:14: step 'second': prompt: there is no input 'nope'; add it to inputs.properties",
        "flow.yaml:18: step 'third': arguments.query: there is no step 'nobody'; steps: first, second",
        "flow.yaml:19: step 'third': arguments.deep.0: '__class__' is not open to templates",
        "flow.yaml:20: step 'third': if: ",
        "flow.yaml:21: step 'third': needs.0: step 'fourth' does not stand before it",
        "flow.yaml:22: step 'fourth': a step is exactly one of expert, tool, approval, workflow, and this has both",
        "flow.yaml:29: step 'fifth': policy.timeout: Input should be greater than 0",
        "flow.yaml:30: output: a step has no 'what'; it has result, data",
    ]
    for start in expected:
        assert any(fault.startswith(start) for fault in found), (start, found)
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "flow.yaml:1: it is NoneType; write an object with name and steps"),
        ("a: [1", "flow.yaml:1: it is no YAML: expected ',' or ']'"),
        ("name: x\nsteps: {}\n", "flow.yaml:2: steps: there are no steps"),
        ("name: x\nname: y\nsteps: {a: {tool: t}}\n", "flow.yaml:2: name: it is there twice; keep one"),
        ("name: !!python/object:os.system x\nsteps: {a: {tool: t}}\n", "flow.yaml:1: name: 'tag:yaml.org,2002:python"),
        ("name: x\nsteps: {a: {workflow: none.yaml}}\n", "none.yaml: it cannot be read: No such file or directory"),
        ("name: x\nsteps: {a: {workflow: flow.yaml}}\n", "flow.yaml:2: step 'a': workflow: 'flow.yaml' leads back"),
        (
            "name: x\nsteps: {a: {approval: ok, for_each: [1]}}\n",
            "flow.yaml:2: step 'a': a person is not asked in a loop",
        ),
        ("name: x\nsteps: {a: {tool: t, choices: [a]}}\n", "flow.yaml:2: step 'a': 'choices' belongs to 'expert'"),
    ],
)
def test_a_file_that_is_no_workflow(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(tmp_path, text)[:1]
    assert fault in found


def test_aliases_cannot_grow_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    assert faults(tmp_path, "\n".join(lines)) == ["flow.yaml: it has more than 20000 values; split it; avoid aliases"]


def test_faults_of_a_sub_workflow_name_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "sub.yaml").write_text("name: sub\nsteps:\n  inner: {expert: general}\n")
    found = faults(tmp_path, "name: x\nsteps:\n  outer: {workflow: sub.yaml}\n  other: {tool: t, promt: p}\n")
    assert [one.split("; ")[0] for one in found] == [
        "flow.yaml:4: step 'other': promt: unknown field",
        "sub.yaml:3: step 'inner': an expert is asked something",
    ]


def test_values_are_plain_data(tmp_path: Path) -> None:
    """A date is a text, and keys are texts."""
    flow = workflow(tmp_path, "name: x\nsteps: {a: {tool: t, arguments: {on: 2024-01-01, 1: yes, n: 3, f: 1.5}}}\n")
    assert flow.steps["a"].arguments == {"on": "2024-01-01", "1": True, "n": 3, "f": 1.5}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow, match="cannot be read"):
        read_workflow(tmp_path / "none.yaml")

"""What a package exports, and what importing it costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("experts", "graphs", "orchestrator")
INITS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))


def module_name(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT).parts)


def sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: ruff's order of `__all__`."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[0].isupper() else 2), name


def public_names(tree: ast.Module) -> set[str]:
    """Names that the module defines or imports from this project."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] in PACKAGES):
            names |= {alias.asname or alias.name for alias in node.names}
    names |= {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in names if not name.startswith("_")}


def exported(tree: ast.Module) -> list[str] | None:
    """The literal `__all__`, or None where the module has none."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("path", INITS, ids=module_name)
def test_all_is_sorted_and_complete(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = exported(tree)
    if names is None:
        assert public_names(tree) == set(), "a package that offers names lists them in __all__"
        return
    assert names == sorted(set(names), key=sort_key)
    assert set(names) == public_names(tree)
    module = import_module(module_name(path))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize(
    "module",
    [
        "experts.card",
        "experts.exchange.hub",
        "experts.gating.gate",
        "experts.registry",
        "experts.sampling_params",
        "graphs.plan",
    ],
)
def test_a_replica_without_torch_can_import(module: str) -> None:
    """A parent package's `__init__` runs too, which the check of layers does not see."""
    code = f"import sys, {module}; print(*sorted({{'torch', 'transformers'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", "")

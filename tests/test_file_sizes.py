"""A file is one noun and fits in the head: caps on sizes, no names that say nothing, tests that mirror the tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("experts", "graphs", "orchestrator")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_TEST_FUNCTION_LINES = 60
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "services", "util", "utils"}


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found, f"no source file under {folders}"
    return found


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function and method, nested ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_the_cap() -> None:
    lines = {label(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES, "tests")}
    assert {name: count for name, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_the_cap() -> None:
    too_long = {
        f"{label(path)}:{name}": count
        for folders, cap in ((PACKAGES, MAX_FUNCTION_LINES), (("tests",), MAX_TEST_FUNCTION_LINES))
        for path in sources(*folders)
        for name, count in functions(path)
        if count > cap
    }
    assert too_long == {}


def test_module_names_are_nouns_that_say_what_is_inside() -> None:
    parts = {label(path): set(path.relative_to(ROOT).with_suffix("").parts) for path in sources(*PACKAGES, "tests")}
    assert {name: sorted(found & EMPTY_NAMES) for name, found in parts.items() if found & EMPTY_NAMES} == {}


def test_every_folder_of_a_package_is_a_package() -> None:
    """A folder without `__init__.py` is left out of the wheel and unseen by the check of layers."""
    folders = {path.parent for path in sources(*PACKAGES)}
    assert sorted(label(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_tests_mirror_the_tree() -> None:
    """`tests/graphs/test_plan.py` tests `graphs/plan.py` or the package `graphs/plan/`."""
    lost: list[str] = []
    for path in sorted(path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")):
        subject = ROOT / path.relative_to(ROOT / "tests").with_name(path.stem.removeprefix("test_"))
        if not (subject.is_dir() or subject.with_suffix(".py").is_file()):
            lost.append(label(path))
    assert lost == []

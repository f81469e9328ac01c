"""What the documents promise of the tree, and what no tracked file may contain."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

# places that exist on one machine only, and hosts that a mirror may stand in for
UNWANTED = re.compile(
    r"/(?:work|root)/|/home/\w+/|/opt/(?:wheels|pypi)|/tmp/\w"
    r"|pypi[.]org|pythonhosted[.]org|npmjs[.]org|deb[.]debian[.]org|crates[.]io|proxy[.]golang[.]org"
)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct_dependencies() -> list[str]:
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    return [re.split(r"[\[<>=~! ;]", requirement)[0] for group in groups for requirement in group]


def reasons(markdown: str) -> dict[str, str]:
    """First word(s) of each table row with what its second cell says."""
    rows = [line.strip().strip("|").split("|") for line in markdown.splitlines() if line.lstrip().startswith("|")]
    return {name: row[1].strip() for row in rows if len(row) > 1 for name in re.findall(r"[\w.-]+", row[0])}


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_every_direct_dependency_has_its_reason_in_the_readme() -> None:
    known = reasons((ROOT / "README.md").read_text(encoding="utf-8"))
    unexplained = [name for name in direct_dependencies() if not re.search(r"\w", known.get(name, ""))]
    assert unexplained == []


def test_the_changelog_has_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{project()['version']}]" in changelog


def test_no_tracked_file_names_a_machine_or_a_package_host() -> None:
    found: list[str] = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            found += [f"{path.relative_to(ROOT)}:{number}: {match[0]}" for match in UNWANTED.finditer(line)]
    assert found == []


def test_links_in_the_documents_lead_to_files() -> None:
    """Relative Markdown links, anchors aside."""
    broken: list[str] = []
    for path in (path for path in tracked_files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if not (re.match(r"[a-z]+:", target) or (path.parent / target).exists()):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []

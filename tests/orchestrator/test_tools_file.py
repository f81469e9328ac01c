"""The tools file is read whole, or refused with the field that is wrong."""

from pathlib import Path

import pytest

from orchestrator.errors import ToolsFileError
from orchestrator.settings import read_settings
from orchestrator.tools_file import ToolsFile, read_tools_file

WHOLE = """
[sql]
databases = { shop = "sqlite:////data/shop.sqlite", crm = "postgresql://reader:${CRM_PASSWORD}@db/crm" }
max_rows = 50

[search]
num_passages = 5

[python]
enabled = true
max_seconds = 2

[http]
hosts = [
    { name = "*.example.org" },
    { name = "api.example.com:8443", methods = ["GET", "POST"], headers = { Authorization = "Bearer ${API_TOKEN}" } },
]

[mcp.files]
command = ["files-server", "${HOME}/notes"]
tools = ["read"]

[mcp.tickets]
url = "https://tickets.example.org/mcp"
headers = { Authorization = "Bearer ${API_TOKEN}" }
optional = true
"""
ENVIRONMENT = {"CRM_PASSWORD": "p4ss", "API_TOKEN": "t0ken", "HOME": "/home"}


def written(folder: Path, text: str) -> Path:
    path = folder / "tools.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file_is_read_with_its_secrets(tmp_path: Path) -> None:
    file = read_tools_file(written(tmp_path, WHOLE), ENVIRONMENT)
    assert file.sql.databases["crm"].get_secret_value() == "postgresql://reader:p4ss@db/crm"
    assert file.http.hosts[1].headers["Authorization"].get_secret_value() == "Bearer t0ken"
    assert file.mcp["files"].command == ("files-server", "/home/notes")
    assert (file.search.num_passages, file.python.enabled, file.mcp["tickets"].optional) == (5, True, True)
    assert "p4ss" not in repr(file) and "t0ken" not in repr(file)


def test_without_a_file_nothing_reaches_out() -> None:
    file = read_settings().read_tools()
    assert file == ToolsFile()
    assert not (file.python.enabled or file.http.hosts or file.mcp or file.sql.databases)


def test_the_setting_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_TOOLS", str(written(tmp_path, "[search]\nnum_passages = 7\n")))
    assert read_settings().read_tools().search.num_passages == 7


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("[python]\nenabled = 3", "python.enabled", "boolean"),
        ("[shell]\nenabled = true", "shell", "not permitted"),
        ("[http]\nhosts = [{ name = 'a', methods = ['BREW'] }]", "http.hosts.0.methods.0", "GET"),
        ("[http]\nhosts = [{ name = 'https://a/b' }]", "http.hosts.0.name", "pattern"),
        ("[mcp.a]\noptional = true", "mcp.a", "give either command or url"),
        ("[mcp.a]\nurl = 'http://a'\ncommand = ['a']", "mcp.a", "give either command or url"),
        ("[mcp.A]\nurl = 'http://a'", "mcp.A.[key]", "pattern"),
        ("[mcp.a]\nurl = 'http://${NOTHING}'", "mcp.a.url", "the environment variable NOTHING is not set"),
        ("[mcp.sql]\nurl = 'http://a'", "", "cannot be named sql"),
        ("[search]\nnum_passages = 99", "search.num_passages", "less than or equal to 10"),
        ("[search", "", "end of document"),
    ],
)
def test_a_wrong_field_is_named(text: str, field: str, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ToolsFileError) as caught:
        read_tools_file(path, {})
    assert (caught.value.path, caught.value.field, caught.value.variable) == (path, field, "CCOE_TOOLS")
    assert reason in caught.value.message and str(path) in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolsFileError, match="No such file"):
        read_tools_file(tmp_path / "none.toml", {})


def test_a_secret_is_not_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(ToolsFileError) as caught:
        read_tools_file(written(tmp_path, "[mcp.a]\nurl = '${API_TOKEN}'"), ENVIRONMENT)
    assert "t0ken" not in str(caught.value)

"""A Hub of one's own: an HTTP server that speaks what huggingface_hub asks of it, with repositories in memory."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from huggingface_hub import constants


class FakeHub(ThreadingHTTPServer):
    """Repositories by name; each commit is the files that the repository then has."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.messages: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sha(self, repo: str, number: int) -> str:
        return hashlib.sha1(f"{repo} {number}".encode()).hexdigest()

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a revision is, and its files."""
        commits = self.commits.get(repo, [])
        shas = {self.sha(repo, number): files for number, files in enumerate(commits)}
        sha = self.sha(repo, len(commits) - 1) if revision == "main" and commits else revision
        return (sha, shas[sha]) if sha in shas else None

    def commit(self, repo: str, lines: list[dict[str, Any]]) -> str:
        """Take a commit's lines: a header and files in base64."""
        before = self.commits[repo][-1] if self.commits[repo] else {}
        files = [line["value"] for line in lines if line["key"] == "file"]
        self.messages += [line["value"]["summary"] for line in lines if line["key"] == "header"]
        self.commits[repo].append(before | {file["path"]: base64.b64decode(file["content"]) for file in files})
        return self.sha(repo, len(self.commits[repo]) - 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> FakeHub:
        return cast(FakeHub, self.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.hub.commits.setdefault(repo, [])
            return self._json({"url": f"{self.hub.url}/{repo}"})
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", path)
        if found is None or found[1] not in self.hub.commits:
            return self._missing()
        if found[2] == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self._json({"files": modes})
        sha = self.hub.commit(found[1], [json.loads(line) for line in body.splitlines()])
        return self._json({"commitUrl": f"{self.hub.url}/{found[1]}/commit/{sha}", "commitOid": sha})

    def do_GET(self) -> None:
        self._read()

    def do_HEAD(self) -> None:
        self._read()

    def _read(self) -> None:
        path = self.path.partition("?")[0]
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        raw = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if api and (found := self.hub.files(api[1], api[3] or "main")):
            sha, files = found
            if api[2] == "tree":
                return self._json([_entry(name, content) for name, content in files.items()])
            return self._json({"id": api[1], "sha": sha, "siblings": [{"rfilename": name} for name in files]})
        if raw and (found := self.hub.files(raw[1], raw[2])) and raw[3] in found[1]:
            return self._send(found[1][raw[3]], found[0])
        return self._missing()

    def _json(self, content: Any) -> None:
        self._send(json.dumps(content).encode(), "")

    def _missing(self) -> None:
        self._send(b"{}", "", 404)

    def _send(self, content: bytes, sha: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", sha)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub that this process talks to instead of the real one, with a cache of its own."""
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()

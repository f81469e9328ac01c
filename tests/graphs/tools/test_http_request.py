"""Requests go to allowed hosts only, at the address that was checked."""

import json
import re
from collections.abc import Generator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from graphs.errors import ToolError
from graphs.tools.call_key import at
from graphs.tools.http_request import AllowedHost, HttpTool, is_public
from graphs.tools.invocation import invoke


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        host = self.headers["Host"]
        port = host.rpartition(":")[2]
        match self.path:
            case "/text":
                self.answer(f"host {host}, key {self.headers.get('X-Key')}")
            case "/key":
                self.answer(f"key {self.headers.get('Idempotency-Key')}")
            case "/page":
                self.answer("<body><p>Hello</p><script>x</script>", kind="text/html; charset=utf-8")
            case "/json":
                self.answer('{"price": 3}', kind="application/json")
            case "/away":
                self.answer("", status=302, location=f"http://other.test:{port}/text")
            case "/back":
                self.answer("", status=302, location="/text")
            case "/round":
                self.answer("", status=302, location="/round")
            case "/large":
                self.answer("x" * 5_000)
            case "/image":
                self.answer("x", kind="image/png")
            case "/packed":
                self.answer("x", encoding="gzip")
            case _:
                self.answer("nothing here", status=404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(f"got {body['n']}, key {self.headers.get('Idempotency-Key')}")

    def answer(
        self, text: str, status: int = 200, kind: str = "text/plain", location: str = "", encoding: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Location", location), ("Content-Encoding", encoding)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Generator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


class Names:
    """A name service of the test: names that no other one knows, and how often each was asked for."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers) or [["127.0.0.1"]]
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def tool(port: int, names: Names | None = None, *, is_private: bool = True, max_bytes: int = 1_000) -> HttpTool:
    methods = ("GET", "POST")
    allowed = AllowedHost(f"shop.test:{port}", methods, headers={"X-Key": "secret"}, is_private=is_private)
    return HttpTool([allowed], max_bytes=max_bytes, resolve=names or Names())


async def test_the_name_is_looked_up_once_and_its_address_used(port: int) -> None:
    names = Names(["127.0.0.1"], ["203.0.113.1"])
    result = await invoke(tool(port, names), {"url": f"http://shop.test:{port}/text"})
    assert result.text == f"host shop.test:{port}, key secret"
    assert names.asked == ["shop.test"]


async def test_pages_are_text_and_json_is_data(port: int) -> None:
    assert (await tool(port).call({"url": f"http://shop.test:{port}/page"})).text == "Hello"
    result = await tool(port).run(json.dumps({"url": f"http://shop.test:{port}/json"}), "")
    assert result.data["json"] == {"price": 3}


async def test_a_body_is_sent_as_json(port: int) -> None:
    arguments = {"url": f"http://shop.test:{port}/", "method": "POST", "body": {"n": 7}}
    assert (await invoke(tool(port), arguments)).text == "got 7, key None"
    with pytest.raises(ToolError, match="GET has no body"):
        await invoke(tool(port), {**arguments, "method": "GET"})


async def test_what_a_run_changes_carries_an_idempotency_key(port: int) -> None:
    """Of a request that changes nothing there is nothing to do once."""
    change = {"url": f"http://shop.test:{port}/", "method": "POST", "body": {"n": 7}}
    with at(("run", "r1.s1")):
        first, again = [(await invoke(tool(port), change)).text for _ in range(2)]
        looked = await invoke(tool(port), {"url": f"http://shop.test:{port}/key"})
    assert re.fullmatch("got 7, key [0-9a-f]{64}", first) and again == first
    assert looked.text == "key None"


async def test_redirects_are_checked_again(port: int) -> None:
    assert (await tool(port).call({"url": f"http://shop.test:{port}/back"})).text.startswith("host shop.test")
    with pytest.raises(ToolError, match=r"other\.test.*not on the allow-list"):
        await tool(port).call({"url": f"http://shop.test:{port}/away"})
    with pytest.raises(ToolError, match="more than 5 redirects"):
        await tool(port).call({"url": f"http://shop.test:{port}/round"})


async def test_a_redirect_to_a_name_that_has_become_private_is_refused(port: int) -> None:
    """As an attacker's name service does it: public at first, then this machine."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    hosts = [AllowedHost(f"shop.test:{port}", is_private=True), AllowedHost(f"other.test:{port}")]
    with pytest.raises(ToolError, match=r"other\.test.*its address is not public"):
        await HttpTool(hosts, resolve=names).call({"url": f"http://shop.test:{port}/away"})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/large", "more than 1000 bytes"),
        ("/image", "image/png, which is no plain text"),
        ("/packed", "no plain text"),
        ("/nothing", "404 Not Found: nothing here"),
    ],
)
async def test_what_cannot_be_used_is_an_error(path: str, reason: str, port: int) -> None:
    with pytest.raises(ToolError, match=reason):
        await tool(port).call({"url": f"http://shop.test:{port}{path}"})


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["::1"],
        ["fe80::1"],
        ["fd00::1"],
        ["93.184.215.14", "10.0.0.1"],
    ],
)
async def test_an_address_that_is_not_public_is_refused(addresses: Sequence[str], port: int) -> None:
    with pytest.raises(ToolError, match="its address is not public"):
        await tool(port, Names(addresses), is_private=False).call({"url": f"http://shop.test:{port}/text"})


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("fe80::1%eth0", False),
    ],
)
def test_what_is_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.test/text",  # another port
        "http://shop.test.evil.test:{port}/",
        "http://evil.test:{port}/shop.test",
        "http://shop.test@evil.test:{port}/",
        "http://user:password@shop.test:{port}/text",
        "http://127.0.0.1:{port}/text",
        "http://[::1]:{port}/text",
        "file:///etc/passwd",
        "http://",
        "http://shop.test:99999/",
    ],
)
async def test_other_places_are_refused(url: str, port: int) -> None:
    with pytest.raises(ToolError):
        await invoke(tool(port), {"url": url.format(port=port)})


@pytest.mark.parametrize(
    ("name", "url", "is_meant"),
    [
        ("*.example.org", "https://api.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "https://badexample.org/", False),
        ("example.org", "https://EXAMPLE.org:443/", True),
        ("example.org", "https://example.org:8443/", False),
    ],
)
async def test_a_star_means_all_below(name: str, url: str, is_meant: bool) -> None:
    reason = "its address is not public" if is_meant else "not on the allow-list"
    with pytest.raises(ToolError, match=reason):
        await HttpTool([AllowedHost(name)], resolve=Names()).call({"url": url})


async def test_the_next_address_is_tried_if_one_does_not_answer(port: int) -> None:
    result = await tool(port, Names(["127.0.0.2", "127.0.0.1"])).call({"url": f"http://shop.test:{port}/text"})
    assert result.text.startswith("host shop.test")

"""HTTP: requests to hosts of an allow-list, at addresses that are looked up once, checked and then used."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx

from graphs.errors import ToolError
from graphs.protocols import ToolResult
from graphs.tools.call_key import idempotency_key
from graphs.tools.invocation import JsonTool, object_schema
from graphs.tools.markup import html_lines

MAX_REDIRECTS = 5
_WITHOUT_BODY = frozenset(("GET", "HEAD", "OPTIONS"))
_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64, RFC 6052
_REMEDY = "ask for what the allowed hosts offer, or extend the tools file"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host and port."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that may be asked: `example.org`, `*.example.org` for all below it, with `:port` if it is another."""

    name: str
    methods: tuple[str, ...] = ("GET",)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Go to this host only, e.g. its key; no task and no expert sees them."""
    is_private: bool = False
    """It may have an address that is not public: its own network, this machine."""

    def matches(self, url: httpx.URL) -> bool:
        """Whether the URL's host and port are meant."""
        name, _, port = self.name.lower().partition(":")
        if url.port != (int(port) if port else None):
            return False
        host = url.raw_host.decode("ascii").lower()
        return host.endswith(name[1:]) if name.startswith("*.") else host == name


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system says. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether everybody reaches an address; one that carries an IPv4 address is judged by that."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.sixtofour or found.teredo:  # tunnels that nobody needs any more
            return False
        found = found.ipv4_mapped or (IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else found)
    return found.is_global and not found.is_multicast and not found.is_reserved


def port_of(url: httpx.URL) -> int:
    """The port that a URL means."""
    return url.port or (443 if url.scheme == "https" else 80)


def request_to(
    address: str, client: httpx.AsyncClient, method: str, url: httpx.URL, *, headers: Mapping[str, str], **content: Any
) -> httpx.Request:
    """A request for the URL that goes to one address of its host: the name is not looked up again."""
    return client.build_request(
        method,
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.raw_host.decode("ascii")},
        **content,
    )


class HttpTool(JsonTool):
    """Asks servers and returns text or JSON."""

    def __init__(
        self,
        hosts: Sequence[AllowedHost],
        *,
        max_seconds: float = 20.0,
        max_bytes: int = 1_000_000,
        resolve: Resolve = resolve,
    ) -> None:
        methods = sorted({method for host in hosts for method in host.methods})
        properties: dict[str, Any] = {
            "url": {"type": "string", "pattern": "^https?://[^ ]+$"},
            "method": {"enum": methods},
        }
        if not _WITHOUT_BODY.issuperset(methods):
            properties["body"] = {"type": "object", "description": "sent as JSON"}
        names = ", ".join(host.name for host in hosts)
        super().__init__("http", f"asks {names}", object_schema(properties, required=("url",)), max_seconds)
        self._hosts = tuple(hosts)
        self._max_bytes = max_bytes
        self._resolve = resolve

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """The server's text; its JSON as data. Raises ToolError, for an answer that is an error too."""
        url, method, body = self._url(arguments["url"]), arguments.get("method", "GET"), arguments.get("body")
        if body is not None and method in _WITHOUT_BODY:
            raise ToolError(self.name, f"{method} has no body", "leave the body out, or use another method")
        async with httpx.AsyncClient(trust_env=False, timeout=self.max_seconds) as client:
            for _ in range(MAX_REDIRECTS + 1):
                host = self._allowed(url, method)
                response = await self._send(client, host, url, method, body)
                try:
                    if not response.has_redirect_location:
                        return await self._result(response, url)
                finally:
                    await response.aclose()
                url = self._url(str(url.join(response.headers["location"])))
                if response.status_code in (301, 302, 303) and method != "HEAD":
                    method, body = "GET", None
        raise self._refused(url, f"more than {MAX_REDIRECTS} redirects")

    def _url(self, text: str) -> httpx.URL:
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL as error:
            raise ToolError(self.name, f"{text!r} is no URL ({error})", _REMEDY) from error
        if url.scheme not in ("http", "https") or not url.host or url.userinfo:
            raise ToolError(self.name, f"{text!r} is no plain http or https URL", _REMEDY)
        return url

    def _allowed(self, url: httpx.URL, method: str) -> AllowedHost:
        host = next((host for host in self._hosts if host.matches(url)), None)
        if host is None:
            raise self._refused(url, "this host and port are not on the allow-list")
        if method not in host.methods:
            raise self._refused(url, f"{method} is not allowed there, {', '.join(host.methods)} is")
        return host

    async def _addresses(self, host: AllowedHost, url: httpx.URL) -> Sequence[str]:
        try:
            addresses = await self._resolve(url.raw_host.decode("ascii"), port_of(url))
        except OSError as error:
            raise self._refused(url, f"its name is not known ({error})") from error
        if not host.is_private and not all(map(is_public, addresses)):
            raise self._refused(url, "its address is not public")
        return addresses

    async def _send(
        self, client: httpx.AsyncClient, host: AllowedHost, url: httpx.URL, method: str, body: object
    ) -> httpx.Response:
        """To the first of the checked addresses that answers: the name is not looked up again."""
        reason = "it has no address"
        # another encoding could unpack to any size
        headers = {**_key_header(method), **host.headers, "Accept-Encoding": "identity"}
        for address in await self._addresses(host, url):
            request = request_to(address, client, method, url, headers=headers, json=body)
            try:
                return await client.send(request, stream=True)
            except httpx.ConnectError as error:
                reason = str(error)
            except httpx.HTTPError as error:
                raise self._refused(url, str(error) or type(error).__name__) from error
        raise self._refused(url, reason)

    async def _result(self, response: httpx.Response, url: httpx.URL) -> ToolResult:
        kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
        is_json = kind == "application/json" or kind.endswith("+json")
        is_text = is_json or kind.startswith("text/") or kind in ("application/xml", "application/javascript")
        if response.headers.get("content-encoding", "identity") != "identity" or not is_text:
            raise self._refused(url, f"it sends {kind}, which is no plain text")
        content = await self._content(response, url)
        text = content.decode(response.encoding or "utf-8", errors="replace")
        if kind == "text/html":
            text = "\n".join(line for _, line in html_lines(text))
        if response.is_error:
            raise self._refused(url, f"{response.status_code} {response.reason_phrase}: {text[:200].strip()}")
        data = {"url": str(url), "status": response.status_code, "content_type": kind}
        return ToolResult(text, {**data, "json": _decoded(text)} if is_json else data)

    async def _content(self, response: httpx.Response, url: httpx.URL) -> bytes:
        content = bytearray()
        try:
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > self._max_bytes:
                    raise self._refused(url, f"it sends more than {self._max_bytes} bytes")
        except httpx.HTTPError as error:
            raise self._refused(url, str(error) or type(error).__name__) from error
        return bytes(content)

    def _refused(self, url: httpx.URL, reason: str) -> ToolError:
        return ToolError(self.name, f"{url}: {reason}", _REMEDY)


def _key_header(method: str) -> Mapping[str, str]:
    """A request that may change something has its idempotency key with it."""
    key = None if method in _WITHOUT_BODY else idempotency_key()
    return {"Idempotency-Key": key} if key else {}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None

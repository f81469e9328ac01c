"""A model on an OpenAI-compatible server, as the planner: `POST {url}/chat/completions` with a JSON Schema."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from graphs.errors import GenerationError
from graphs.protocols import PLANNER, Reply
from orchestrator.settings import Settings

MAX_TOKENS = 2048
MAX_BYTES = 200_000
_CHARS_PER_TOKEN = 4
_MAX_REASON_CHARS = 300
_REMEDIES = {
    401: "correct CCOE_PLANNER_KEY",
    403: "CCOE_PLANNER_KEY may not use this model",
    404: "correct CCOE_PLANNER_URL (it ends with /v1 as a rule) or CCOE_PLANNER_MODEL",
    429: "it has too much to do, or no credit is left",
}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """The server, the model's name there, and the key, which no message shows."""

    url: str
    model: str
    key: SecretStr | None = None
    max_seconds: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> "ChatCompletions | None":
        """The planner of the settings, if that is a remote one."""
        if settings.planner_url is None:
            return None
        return cls(settings.planner_url, settings.planner_model, settings.planner_key)

    async def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Reply:
        """The model's answer. A server that states no usage is taken to use a token for every 4 characters.

        Raises GenerationError: no answer in time, an error status with its remedy, a refusal, no completion.
        """
        body = {
            "model": self.model,
            "messages": [*messages],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "plan", "strict": True, "schema": schema},
            },
        }
        completion = self._completion(await self._post(body))
        if not completion.choices:
            raise self._failed("it sent no choice", "see the server's log")
        first = completion.choices[0]
        if first.message.refusal:
            raise self._failed(f"the model refuses: {first.message.refusal}", "change the task, or the model")
        text = first.message.content or ""
        usage = completion.usage or _Usage(
            prompt_tokens=_num_tokens(json.dumps(body)), completion_tokens=_num_tokens(text)
        )
        is_whole = first.finish_reason != "length"
        return Reply(text, is_whole, usage.prompt_tokens, usage.completion_tokens)

    async def _post(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}
        url = f"{self.url.rstrip('/')}/chat/completions"
        try:
            # of the whole answer: httpx's own limits begin anew with every byte
            async with (
                asyncio.timeout(self.max_seconds),
                httpx.AsyncClient(timeout=None) as client,
                client.stream("POST", url, json=body, headers=headers) as response,
            ):
                return await self._content(response)
        except TimeoutError as error:
            raise self._failed(f"no answer within {self.max_seconds:g} s", "see the server's log") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise self._failed(reason, "start the server, or correct CCOE_PLANNER_URL") from error

    async def _content(self, response: httpx.Response) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_BYTES:
                raise self._failed(f"it sends more than {MAX_BYTES} bytes", "see the server's log")
        if not response.is_success:
            said = content.decode(errors="replace").strip()
            remedy = _REMEDIES.get(response.status_code, "see the server's log")
            raise self._failed(f"{response.status_code} {response.reason_phrase}: {said}", remedy)
        return bytes(content)

    def _completion(self, content: bytes) -> _Completion:
        try:
            return _Completion.model_validate_json(content)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            reason = f"it sent no chat completion ({where}: {fault['msg']})"
            raise self._failed(reason, "correct CCOE_PLANNER_URL") from error

    def _failed(self, reason: str, remedy: str) -> GenerationError:
        if self.key:
            reason = reason.replace(self.key.get_secret_value(), "…")
        return GenerationError(PLANNER, f"{self.model} at {self.url}: {reason[:_MAX_REASON_CHARS]}; {remedy}")


def _num_tokens(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)

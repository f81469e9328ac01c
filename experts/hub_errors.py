"""What the Hugging Face library raises when the hub does not answer as wanted. No torch."""

from typing import cast

from huggingface_hub.errors import HfHubHTTPError

# of httpx or httpx2, whichever the installed version speaks
_HTTP_ERROR = cast(type[Exception], HfHubHTTPError.__bases__[0])
HUB_ERRORS = (_HTTP_ERROR, OSError, ValueError)
"""A refusal, no connection, a name that cannot be one."""


def hub_reason(error: BaseException) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")

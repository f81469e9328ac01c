"""The tools that steps may call, from the settings."""

from collections.abc import Mapping

from graphs.protocols import Tool
from graphs.tools.calculator import Calculator
from orchestrator.settings import Settings


def configured_tools(settings: Settings) -> Mapping[str, Tool]:
    """Tools by name."""
    calculator = Calculator()
    return {calculator.name: calculator}

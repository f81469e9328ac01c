"""The command `ccoe` with scripted experts, for tests that need a process of their own."""

from orchestrator.cli.main import main
from tests.orchestrator.scripted_experts import open_scripted_experts

if __name__ == "__main__":
    main(open_scripted_experts)

"""The HTTP API, below /api; the bare paths of the LangGraph protocol stay free."""

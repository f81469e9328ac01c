"""The service measured: its answers beside simpler ways, its runs and their events on a real Valkey."""

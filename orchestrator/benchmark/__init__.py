"""Runs and their events on a real Valkey, with experts that only take their time."""

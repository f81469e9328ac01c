"""Graphs that people write: steps, templates, conditions, loops, approvals and sub-workflows."""

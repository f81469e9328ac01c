"""The whole service beside simpler ways to use the same experts."""

"""How experts are made and measured."""

"""Tools: what computes, so that no expert has to guess."""

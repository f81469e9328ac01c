"""Text to expert: the rules of the cards and a linear classifier on what the shared layers make of the text."""

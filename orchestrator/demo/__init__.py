"""`make demo`: three multi-step tasks with names and numbers drawn anew, answered, drawn and checked."""

"""Training rows that the project makes itself: questions over invented tables, arithmetic steps, multi-domain tasks."""

"""What an expert gains on a domain, beside ways of tuning that change every layer."""

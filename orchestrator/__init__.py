"""The service: HTTP and command line in, events out; Redis; wiring."""

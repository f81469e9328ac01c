"""`python -m orchestrator.demo [--seed N]`."""

from orchestrator.demo.demonstration import main

raise SystemExit(main())

"""What each stage consumes, measured; the page docs/costs.md is printed from it."""

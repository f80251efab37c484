"""Two whole migrations to read and to run: `make examples`, or `python -m examples`. See examples/README.md."""

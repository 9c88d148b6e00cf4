"""``python -m claims``: the command line ``standstill`` without installing it."""

from claims.cli.main import main

main()

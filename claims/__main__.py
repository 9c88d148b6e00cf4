"""``python -m claims``: the command line ``standstill`` without installing it."""

from claims.cli import main

main()

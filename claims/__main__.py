"""``python -m claims``: the command line ``standstill`` without installing it."""

from standstill import main

main()

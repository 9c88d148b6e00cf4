"""Importers of what operators already have: Slurm accounting, MLLOG, cluster traces, trainer states, weights.

FORMATS-imports.md says what each reads, how it rounds (up), and what becomes of every row. Imports nothing.
"""

"""Standstill's agreements, keys, ledgers, claim files, verification and command line.

Imports nothing, so that ``claims.verify.claim`` can be used with the standard library alone.
"""

__version__ = "0.3.0"
"""Of the software; CONTRIBUTING.md says when it is raised."""

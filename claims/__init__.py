"""Agreements, keys, ledgers, claim files, verification and the command line of Standstill.

Imports nothing, so that ``claims.verify.claim`` can be used with the standard library alone.
"""

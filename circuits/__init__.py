"""Standstill's compute claim: statement, constraints, witness generation. See README.md in this folder."""

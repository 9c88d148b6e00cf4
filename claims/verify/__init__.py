"""Verification of a claim: three verdicts."""

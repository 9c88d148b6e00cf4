"""Standstill's STARK engine: field, transcript, Merkle trees, AIR, FRI, prover and verifier."""

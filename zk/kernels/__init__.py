"""Compiled kernels of the prover: numpy arrays in Montgomery form in, numpy arrays out."""

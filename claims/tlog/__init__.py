"""A transparency log in the C2SP formats: tiles, checkpoints, cosignatures, proofs, evidence (FORMATS-log.md)."""

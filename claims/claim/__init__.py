"""A claim and what stands beside it: file, roots, commitments, log entries, verification, evidence."""

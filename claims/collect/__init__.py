"""The collector: polls chip exporters, keeps a spool, and seals each epoch of a meter. Imports nothing.

FORMATS-collector.md says what a sample means, what is charged for it and for silence, and how the spool is written.
"""

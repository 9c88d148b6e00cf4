"""The command line `standstill`."""

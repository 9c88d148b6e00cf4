"""The state of every party and period, from a folder."""

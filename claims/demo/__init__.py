"""The demonstration: two acts on published data."""

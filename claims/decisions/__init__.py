"""What the deciders of an agreement decide, and the life of an agreement."""

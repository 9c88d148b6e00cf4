"""Draws by public randomness, openings, records."""

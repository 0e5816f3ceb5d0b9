"""The ways to notify people: one module each."""

"""The ways to tell people: one module each."""

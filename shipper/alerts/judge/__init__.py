"""Rules over time: what is due, what was measured, what follows."""

"""Asks applications how they are, and writes what they answer into the log that is shipped."""

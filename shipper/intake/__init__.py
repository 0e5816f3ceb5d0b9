"""Ways in that are no files: each writes what it receives to a spool, which is read like a log."""

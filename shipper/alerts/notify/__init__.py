"""Who is notified, when, and again after a failure."""

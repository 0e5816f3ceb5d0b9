"""What was read against what is stored: record by record, and what to do about the difference."""

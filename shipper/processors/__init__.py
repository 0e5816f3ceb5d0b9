"""What the config does to records on their way: drop some, change fields, parse, look up."""

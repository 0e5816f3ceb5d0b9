"""The commands: what each takes, which calls it makes, what it prints."""

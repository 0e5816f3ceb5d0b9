"""Lines to events: parse, time, host and service, dataset, error category, tags."""

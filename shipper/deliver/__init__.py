"""Events to batches to outputs: acks, retries, dead letters."""

"""A log pipeline that accounts for every record: emit, tail, enrich, deliver, store, search."""

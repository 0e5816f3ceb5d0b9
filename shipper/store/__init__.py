"""Queries over the stored records: search, count, aggregate, follow."""

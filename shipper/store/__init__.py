"""What can be asked of the stored records: search, count, aggregate, follow."""

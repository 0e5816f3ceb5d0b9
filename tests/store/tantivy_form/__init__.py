"""The writer of the embedded index of older versions, to make what is migrated."""

"""Summaries of the stored records: asked of a store, written as files."""

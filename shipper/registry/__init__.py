"""Durable positions, the records already accepted, and receipts."""

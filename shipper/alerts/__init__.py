"""Rules over the stored records, what they find, and who is notified."""

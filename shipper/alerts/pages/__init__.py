"""What a notification says."""

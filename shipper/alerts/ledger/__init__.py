"""What is durable: incidents, notifications to send, the log of the alert job."""

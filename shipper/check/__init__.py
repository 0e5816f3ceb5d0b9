"""What would keep the shipper from its work, found before it starts."""

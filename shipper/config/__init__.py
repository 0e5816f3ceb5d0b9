"""Every option once: the shipper's and the alert job's."""

"""The demo: an application under load, the shipper, the alert job and a live picture."""

"""The dashboard: pages over the records of a store, for a browser (`shipper serve`)."""

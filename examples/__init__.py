"""Programs that show how shipper is used."""

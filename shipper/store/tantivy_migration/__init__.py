"""Reads the embedded index of older versions, for `shipper store migrate`; needs tantivy."""

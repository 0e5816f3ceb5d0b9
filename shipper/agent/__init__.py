"""The process `shipper run`: the pipeline, what turns it, and what others may ask of it."""

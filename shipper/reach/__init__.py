"""The way to the servers of an output, hop by hop, so that a fault has a place and a remedy."""

"""Files to lines: discovery, rotation, identity, the registry of positions."""

"""One way to a server, for everything that connects to one."""

"""What clearing and terminals are told, numbered without a gap."""

"""The counter: its reader relayed to this service, and the small client that does so."""

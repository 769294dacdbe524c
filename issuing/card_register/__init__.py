"""Every card this office made, and the state it is in."""

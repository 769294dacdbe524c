"""Everything a card gives to anybody, written down."""

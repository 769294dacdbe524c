"""A citizen's request for a card, approved by a second person."""

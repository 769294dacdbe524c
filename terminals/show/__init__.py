"""Card contents for people: on the screen of whoever has a reader and the card."""

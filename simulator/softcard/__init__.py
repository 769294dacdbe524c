"""Software cards: their memory, and how readers reach them."""

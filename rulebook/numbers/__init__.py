"""The numbers people and cards are known by, and how each is checked."""

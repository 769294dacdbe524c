"""Talking to a card by hand, and writing down what was said without giving secrets away."""

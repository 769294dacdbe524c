"""Conversations with cards, SAMs and hosts as generators; nothing here does input or output itself."""

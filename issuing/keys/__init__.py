"""The key log: which key stands on which chip. Never a value."""

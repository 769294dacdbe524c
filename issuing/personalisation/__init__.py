"""What is written on a blank card or SAM, and proof that it stands there."""

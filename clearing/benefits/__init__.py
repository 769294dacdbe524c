"""What an insured person's visit costs whom: policies as data, adjudication, and settlement with the hospitals."""

"""The conformance kit: conversations as data, run against our card in process, over PC/SC, and against a card in a reader."""

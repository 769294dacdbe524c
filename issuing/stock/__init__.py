"""Blank cards and SAMs, each accounted for by its chip serial."""

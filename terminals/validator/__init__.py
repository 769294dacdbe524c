"""The validator on a bus."""

from terminals.validator.validator import Validator

__all__ = ["Validator"]

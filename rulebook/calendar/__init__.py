"""Business days and working days."""

from rulebook.calendar.calendar import BUSINESS_ZONE, Calendar, DayNotCovered, calendar_named

__all__ = ["BUSINESS_ZONE", "Calendar", "DayNotCovered", "calendar_named"]

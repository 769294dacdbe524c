"""Tariffs and the function that prices a ride, the same at the terminal and in clearing."""

from rulebook.tariff.history import History, HistoryUnreadable
from rulebook.tariff.network import NoFare
from rulebook.tariff.pricing import FareLine, Language, PricedFare, price
from rulebook.tariff.ride import Ride, RiderClass
from rulebook.tariff.tariff import MalformedTariff, Tariff, load_tariff

__all__ = [
    "FareLine",
    "History",
    "HistoryUnreadable",
    "Language",
    "MalformedTariff",
    "NoFare",
    "PricedFare",
    "Ride",
    "RiderClass",
    "Tariff",
    "load_tariff",
    "price",
]

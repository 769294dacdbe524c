"""What the handlers of this folder share: who may, where the keys lie, and how a form is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import Depends, Form, Request
from pydantic import BeforeValidator

from backoffice.staff import Staff
from backoffice.web import ServiceDep, require_role
from clearing.demonstration import DEVICES
from clearing.devices.parameter_keys import ParameterKeys, keys_in
from rulebook.calendar import BUSINESS_ZONE

Steward = Annotated[Staff, Depends(require_role(DEVICES))]
Note: TypeAlias = Annotated[str, Form(max_length=2000)]


def parameter_keys(here: ServiceDep) -> ParameterKeys:
    """FastAPI dependency: the service's own."""
    return keys_in(here.settings.data_folder)


KeysDep = Annotated[ParameterKeys, Depends(parameter_keys)]


def from_a_page(request: Request) -> bool:
    """Somebody who pressed a button goes back to a page; a program gets JSON."""
    return "text/html" in request.headers.get("accept", "")


def _city_moment(value: str) -> datetime | None:
    """ISO 8601; without an offset the city's time, as a page's date field gives it. Empty: None. Raises ``ValueError``."""
    if not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=BUSINESS_ZONE)


CityMoment: TypeAlias = Annotated[datetime | None, BeforeValidator(_city_moment)]

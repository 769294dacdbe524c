"""The citizen card: transit and social security on one chip."""

from __future__ import annotations

from card_os.profile.access import Level
from card_os.profile.directory import directory_file, proximity_directory
from card_os.profile.files import ApplicationSpec, CardSpec, KeySpec, KeyType
from card_os.profile.social_security import SOCIAL_SECURITY
from card_os.profile.transit import KEY_TRIES, TRANSIT
from card_os.wire import identifiers as names


def master_file_keys(label: str) -> tuple[KeySpec, ...]:
    """39/00 and 36/00 of an MF. Their order matters: the line key protects the writing of both, so it changes last."""
    return (
        KeySpec(
            label=label,
            type=KeyType.EXTERNAL,
            id=names.KEY_MASTER_FILE,
            next_state=Level.ADMINISTRATION,
            tries=KEY_TRIES,
        ),
        KeySpec(label=label, type=KeyType.LINE_PROTECTION, id=names.KEY_MASTER_FILE, tries=KEY_TRIES),
    )


_APPLICATIONS = (TRANSIT, SOCIAL_SECURITY)
CITIZEN_CARD = CardSpec(
    name="citizen card",
    master_file=ApplicationSpec(
        name=names.MASTER_FILE_NAME,
        fid=names.MASTER_FILE,
        files=(directory_file(_APPLICATIONS),),
        keys=master_file_keys("maintenance"),
    ),
    applications=(*_APPLICATIONS, proximity_directory(_APPLICATIONS)),
)

"""The same cards with SM4 in the place of 3DES: only names and the keys' algorithm byte differ.

The transit application of an SM-only key set has AID …0107 (standards.md §2.6 [P]); DF, files and key ids are the 3DES
card's (ours). What an SM4 purse computes is ours: ``card_os.crypto.own_sm4_purse``.
"""

from __future__ import annotations

from dataclasses import replace

from card_os.crypto.suites import Algorithm
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.files import ApplicationSpec, CardSpec
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.transit import TRANSIT
from card_os.wire.identifiers import TRANSIT_AID_SM4


def _application(spec: ApplicationSpec) -> ApplicationSpec:
    keys = tuple(replace(key, algorithm=Algorithm.SM4) for key in spec.keys)
    return replace(spec, name=TRANSIT_AID_SM4 if spec is TRANSIT else spec.name, keys=keys)


def _card(spec: CardSpec) -> CardSpec:
    return replace(
        spec,
        name=f"{spec.name}, SM4",
        master_file=_application(spec.master_file),
        applications=tuple(_application(application) for application in spec.applications),
    )


CITIZEN_CARD_SM4 = _card(CITIZEN_CARD)
TRANSIT_SAM_SM4 = _card(TRANSIT_SAM)
HOSPITAL_SAM_SM4 = _card(HOSPITAL_SAM)

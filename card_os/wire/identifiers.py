"""Names on the card: AIDs, FIDs, SFIs and key ids (standards.md §1.5, §3, §4, §5.1). "ours" marks this project's choice."""

from __future__ import annotations

MASTER_FILE = 0x3F00
MASTER_FILE_NAME = b"1PAY.SYS.DDF01"
KEY_FILE = 0x0000
DIRECTORY_FILE = 0x0001  # of the MF and the PPSE
SFI_DIRECTORY = 0x01
PPSE_NAME = b"2PAY.SYS.DDF01"
PPSE_DF = 0xDDF2  # ours: the PPSE is selected by name

TRANSIT_AID = bytes.fromhex("A000000632010105")
TRANSIT_AID_SM4 = bytes.fromhex("A000000632010107")
TRANSIT_DF = 0x1001
DEPOSIT_FILE = 0x0001
PURSE_FILE = 0x0002

SOCIAL_AID = bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")  # "sx1.sh." + 社会保障 in GBK
SOCIAL_DF = 0xDF00

TRANSIT_SAM_AID = TRANSIT_AID + b"SAM"  # ours: the PSAM is selected by FID 8011; FMCOS wants a name too
TRANSIT_SAM_DF = 0x8011
SOCIAL_SAM_AID = bytes.fromhex("D15600000590")
SOCIAL_SAM_DF = 0xDF01

SFI_PUBLIC = 0x15
SFI_HOLDER = 0x16
SFI_MANAGEMENT = 0x17
SFI_LOG = 0x18
SFI_TRANSIT_PROCESS = 0x1A
SFI_TRIP_LOG = 0x1E

SFI_SOCIAL_ISSUER = 0x05
SFI_SOCIAL_HOLDER = 0x06

SFI_SAM_CARD = 0x15
SFI_SAM_TERMINAL = 0x16
SFI_SAM_APPLICATION = 0x17
SFI_SAM_TRANSACTION_NUMBER = 0x18  # ours: where the PSAM keeps its terminal transaction number

KEY_MASTER_FILE = 0x00  # external authentication and line protection of the MF
KEY_APPLICATION = 0x01
KEY_SOCIAL_UPDATE = 0x04
KEY_PURCHASE = 0x01
KEY_LOAD = 0x01
KEY_SOCIAL_INTERNAL = 0x00
KEY_SAM_SOCIAL = 0x12
PIN = 0x00

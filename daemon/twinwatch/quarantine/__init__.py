"""Hold, restore, purge, recover: the only room that renames a photo, and the only one that can hurt.

place/<slot>/manifest.json       why it is here and how it goes back; written before the photo is moved
place/<slot>/<original name>     the photo itself, and its companions

manifest    the value in the JSON file
slots       the folders of a quarantine: make, list, remove; all by descriptor
hold        the move protocol, step by step
keepers     does a keeper stand, with its clip and RAW? read in full
restore     the way back; purge, for a person only
recover     after a crash: look at the disk, finish or undo
verify      read everything held again, and the keepers; say what to do
"""

from twinwatch.quarantine.hold import Holder
from twinwatch.quarantine.manifest import HeldFile, Manifest
from twinwatch.quarantine.recover import Recovered, recover
from twinwatch.quarantine.restore import changed_in_quarantine, purge, restore
from twinwatch.quarantine.slots import Slot, advice, listing
from twinwatch.quarantine.verify import Finding, verify

__all__ = [
    "Finding",
    "HeldFile",
    "Holder",
    "Manifest",
    "Recovered",
    "Slot",
    "advice",
    "changed_in_quarantine",
    "listing",
    "purge",
    "recover",
    "restore",
    "verify",
]

"""twinwatch: sets aside the copies that photo sync makes, only when it can prove that they are copies."""

__version__ = "0.1.0"

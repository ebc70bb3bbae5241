"""Databases as the migrations make them, up to any version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import twinwatch.migrations


def configuration() -> Config:
    """Tell alembic where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(Path(twinwatch.migrations.__file__).parent))
    return config


def migrate(path: Path, version: str = "head") -> None:
    """Make a database at `path` by the migrations, from the first to this version."""
    config = configuration()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()

"""Reads the tables that ship with the service and belong to no standard: the catalog.

This is the only module of the domain that touches the disk. Numbers live in ``data/catalog.toml``,
each with its source and whether it has been confirmed; those of the standards are in
``shared/standards``.
"""

import tomllib
from pathlib import Path

from services.tolerance.catalog import Catalog, parse_catalog

FOLDER = Path(__file__).resolve().parent
DEMO_MODEL_FOLDER = FOLDER / "demo" / "demo-tolerance"
PUBLISHED_FILE = FOLDER / "data" / "published.csv"


def load_catalog() -> Catalog:
    """Read the materials, processes and rule constants."""
    return parse_catalog(tomllib.loads((FOLDER / "data" / "catalog.toml").read_text("utf-8")))

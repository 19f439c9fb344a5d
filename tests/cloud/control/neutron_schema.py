"""Neutron's migrations do not run on sqlite: its tables are made from the models, as its own unit tests do."""

from __future__ import annotations

import sys

import sqlalchemy
from neutron.db.migration.models import head

head.get_metadata().create_all(sqlalchemy.create_engine(sys.argv[1]))

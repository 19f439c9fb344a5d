"""Dumps of the XML databases, and the way back. Called by bin/xmldb, which says what is wanted."""

from pyinfra import host

from operations.xmldb_dumps import task, told_dumps
from recettes.xmldb.tasks import Task

words = tuple(host.data.xmldb_task.split())
if words == ("list",):
    told_dumps(name="Dumps")
else:
    task(name=f"Databases: {host.data.xmldb_task}", wanted=Task(words))

"""A small PHP application, to show how one is declared."""

from recettes.declarations.lab import Project
from recettes.declarations.sites import PhpSite
from recettes.declarations.sources import Folder

guestbook = Project(
    name="guestbook",
    title="Guest book",
    answers="The administrator",
    sites=(PhpSite(name="guestbook", host="livre.lab.test", source=Folder(path="samples/guestbook"), uploads=("entries",)),),
)

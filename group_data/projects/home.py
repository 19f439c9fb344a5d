"""The lab's own home page, under its apex and www."""

from recettes.declarations.lab import Project
from recettes.declarations.sites import RedirectSite, StaticSite
from recettes.declarations.sources import Folder

home = Project(
    name="home",
    title="Home page of the lab",
    answers="The administrator",
    sites=(
        StaticSite(name="home", host="lab.test", www=True, source=Folder(path="samples/home")),
        RedirectSite(name="old-home", host="ancien.lab.test", to="https://lab.test/"),
    ),
)

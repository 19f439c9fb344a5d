"""A small edition of letters in French and English, with its search: an XML application, to show how one is declared."""

from recettes.declarations.lab import Project
from recettes.declarations.sites import RateLimit, XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlDatabase

letters = Project(
    name="letters",
    title="Letters of Élodie Marchessault",
    answers="The administrator",
    sites=(
        XmlSite(
            name="letters",
            host="lettres.lab.test",
            app="letters",
            health="/health",
            rate_limit=RateLimit(per_second=20, burst=100),
        ),
    ),
    # A database for each language: a full-text index has one stemmer.
    xml_databases=(
        XmlDatabase(name="letters-en", source=Folder(path="samples/letters/en"), language="en"),
        XmlDatabase(name="letters-fr", source=Folder(path="samples/letters/fr"), language="fr"),
    ),
    xml_apps=(
        XmlApp(
            name="letters",
            source=Folder(path="samples/letters-app"),
            reads=("letters-en", "letters-fr"),
            # XSLT makes the pages of single letters.
            transforms=("/letter",),
        ),
    ),
)

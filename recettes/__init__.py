"""The rules of recettes: what a lab wants, what follows for each machine, and what must change. No machine is touched here."""

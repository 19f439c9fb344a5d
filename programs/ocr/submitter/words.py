"""What people are told, in English and French."""

# ruff: noqa: E501  a sentence is a line

from __future__ import annotations

import locale
import os
from typing import Literal

from .refusal import Kind, RefusalError

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")


def language() -> Language:
    """That of the locale."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "fr" if (named or locale.getlocale()[0] or "").lower().startswith("fr") else "en"


# What was refused, and what to do about it: (English, French). {said} is the other side's own sentence.
_REFUSALS: dict[Kind, tuple[str, str]] = {
    "fault": (
        "The cluster's gate did not understand this program: {said}. This is a fault of the program: tell the administrator.",
        "La porte de la grappe n'a pas compris ce programme : {said}. C'est une faute du programme : avertissez l'administration.",
    ),
    "stream": (
        "The images did not arrive as they were sent, twice: {said}. Nothing was recognised. Tell the administrator.",
        "Les images ne sont pas arrivées telles qu'envoyées, deux fois : {said}. Rien n'a été reconnu. Avertissez l'administration.",
    ),
    "missing": (
        "The cluster does not know it: {said}.",
        "La grappe ne le connaît pas : {said}.",
    ),
    "closed": (
        "The cluster's gate is closed: {said}. Whoever answers for the account there can open it. Nothing is lost.",
        "La porte de la grappe est fermée : {said}. La personne responsable du compte peut la rouvrir. Rien n'est perdu.",
    ),
    "gate": (
        "The cluster's gate failed: {said}. Tell the administrator. Nothing is lost.",
        "La porte de la grappe est en panne : {said}. Avertissez l'administration. Rien n'est perdu.",
    ),
    "full": (
        "The cluster's disk takes no more: {said}. It is tried again later; tell the administrator.",
        "Le disque de la grappe est plein : {said}. Un nouvel essai sera fait plus tard ; avertissez l'administration.",
    ),
    "later": (
        "The cluster is busy: {said}. It is to be tried again in a minute or more; nothing is lost.",
        "La grappe est occupée : {said}. À réessayer dans une minute ou plus ; rien n'est perdu.",
    ),
    "limit": (
        "The cluster does not allow it now: {said}.",
        "La grappe ne le permet pas maintenant : {said}.",
    ),
    "unsafe": (
        "The gate on the cluster is not safely installed and does nothing: {said}. Tell the administrator.",
        "La porte sur la grappe n'est pas installée sûrement et ne fait rien : {said}. Avertissez l'administration.",
    ),
    "network": (
        "The cluster could not be reached, or the connection broke: {said}. What has arrived there is kept; it goes on from there.",
        "La grappe est injoignable, ou la liaison est tombée : {said}. Ce qui est arrivé est gardé ; la suite reprendra de là.",
    ),
    "host": (
        "The machine that answered is not the cluster that we know: {said}. Nothing was sent to it. Tell the administrator.",
        "La machine qui a répondu n'est pas la grappe connue : {said}. Rien ne lui a été envoyé. Avertissez l'administration.",
    ),
    "denied": (
        "The cluster does not accept our key: {said}. Tell the administrator.",
        "La grappe n'accepte pas notre clé : {said}. Avertissez l'administration.",
    ),
    "stranger": (
        "Something else than the gate answered on the cluster (status {said}). Tell the administrator: the key may not be restricted.",
        "Autre chose que la porte a répondu sur la grappe (code {said}). Avertissez l'administration : la clé n'est peut-être pas "
        "restreinte.",
    ),
    "garbled": (
        "The cluster's answer is not what was agreed on, and was not taken: {said}. Tell the administrator.",
        "La réponse de la grappe n'est pas celle convenue et n'a pas été prise : {said}. Avertissez l'administration.",
    ),
    "noisy": (
        "Something speaks before the gate's answer: {said}. Nothing was taken. The account's .bashrc on the cluster, or what it reads, "
        "must print nothing where no terminal is: tell the administrator.",
        "Quelque chose parle avant la réponse de la porte : {said}. Rien n'a été pris. Le .bashrc du compte sur la grappe, ou ce qu'il lit, "
        "ne doit rien écrire là où il n'y a pas de terminal : avertissez l'administration.",
    ),
    "local": (
        "On this machine: {said}. Nothing is lost; it goes on when that is mended.",
        "Sur cette machine : {said}. Rien n'est perdu ; la suite viendra quand ce sera réparé.",
    ),
    "undeclared": (
        "The cluster called {said} is declared no more, and pages sent to it have not come back. They wait until it is declared again under "
        "this name: tell the administrator.",
        "La grappe appelée {said} n'est plus déclarée, et des pages qui y sont ne sont pas revenues. Elles attendent qu'elle soit déclarée à "
        "nouveau sous ce nom : avertissez l'administration.",
    ),
    "changed": (
        "{said} was changed or removed while it was being sent. Nothing was recognised; send the folder again.",
        "{said} a été modifié ou enlevé pendant l'envoi. Rien n'a été reconnu ; renvoyez le dossier.",
    ),
}

_WORDS = {
    "no images": (
        "no image in {folder} (.png .jpg .jpeg .tif .tiff .jp2); folders in it are not looked into. Nothing was sent.",
        "aucune image dans {folder} (.png .jpg .jpeg .tif .tiff .jp2) ; les dossiers qu'il contient ne sont pas lus. "
        "Rien n'a été envoyé.",
    ),
    "no folder": ("{folder}: {why}. Nothing was sent.", "{folder} : {why}. Rien n'a été envoyé."),
    "no model": (
        "there is no model {model} on {cluster}; there are: {models}. Nothing was sent.",
        "il n'y a pas de modèle {model} sur {cluster} ; il y a : {models}. Rien n'a été envoyé.",
    ),
    "too many": (
        "{pages} pages, {bytes} MB: more than {cluster} takes at a time ({most} pages, {most_bytes} MB). Send them in "
        "several folders. Nothing was sent.",
        "{pages} pages, {bytes} Mo : plus que {cluster} n'en prend à la fois ({most} pages, {most_bytes} Mo). Envoyez-les "
        "en plusieurs dossiers. Rien n'a été envoyé.",
    ),
    "known": (
        "these pages were recognised with {model} before, as {batch}; the results are in {place}. Nothing was sent. "
        "--again has them recognised anew.",
        "ces pages ont déjà été reconnues avec {model} ({batch}) ; les résultats sont dans {place}. Rien n'a été envoyé. "
        "--again les fait reconnaître à nouveau.",
    ),
    "known in part": (
        "these pages were sent with {model} before, as {batch}, and not all were recognised. Nothing was sent now. --again has all "
        "of them recognised anew.",
        "ces pages ont déjà été envoyées avec {model} ({batch}), et toutes n'ont pas été reconnues. Rien n'a été envoyé cette fois. "
        "--again les fait toutes reconnaître à nouveau.",
    ),
    "sending": ("sending", "envoi"),
    "recognising": ("recognised", "reconnues"),
    "sent": (
        "{batch}: {pages} pages are at {cluster} ({state}). `ocr fetch` brings the results once they are there.",
        "{batch} : {pages} pages sont chez {cluster} ({state}). `ocr fetch` rapporte les résultats dès qu'ils existent.",
    ),
    "summary": (
        "{batch}: {done} of {pages} pages recognised in {seconds} s; results in {place}",
        "{batch} : {done} pages sur {pages} reconnues en {seconds} s ; résultats dans {place}",
    ),
    "not recognised": ("not recognised:", "non reconnues :"),
    "aside": (
        "what has the name already is not ours, or somebody has worked on it: it was kept, and the result lies beside it:",
        "ce qui porte déjà le nom n'est pas de nous, ou quelqu'un y a travaillé : cela reste, et le résultat est à côté :",
    ),
    "zip": ("for eScriptorium: {file}", "pour eScriptorium : {file}"),
    "waits": ("{batch}: {state}, {done} of {pages} pages done", "{batch} : {state}, {done} pages sur {pages} faites"),
    "as of": ("as of {seconds} s ago", "il y a {seconds} s"),
    "cancelled": ("{batch}: cancelled", "{batch} : annulé"),
    "is over": ("{batch} is over already; there is nothing to cancel.", "{batch} est déjà terminé ; il n'y a rien à annuler."),
    "nothing": ("nothing is under way", "rien n'est en cours"),
    "no batch": (
        "there is no batch {name}; `ocr list` names them all.",
        "il n'y a pas de lot {name} ; `ocr list` les nomme tous.",
    ),
    "several": ("{name} is the beginning of several names: {names}", "{name} commence plusieurs noms : {names}"),
    "busy": ("another ocr is at work on it; try again later.", "un autre ocr y travaille ; réessayez plus tard."),
    "not tried": ("{about}: not tried, for the same reason.", "{about} : pas essayé, pour la même raison."),
    "no queue": ("the settings name no queue.", "les réglages ne nomment pas de file d'attente."),
    "gate": (
        "{cluster}: gate open until {until}; today {pages} of {most} pages; clocks differ by {skew} s",
        "{cluster} : porte ouverte jusqu'au {until} ; aujourd'hui {pages} pages sur {most} ; les horloges diffèrent de {skew} s",
    ),
    # Why a page was not recognised
    "no image": (
        "is no image that can be recognised (PNG, JPEG, TIFF or JPEG 2000)",
        "n'est pas une image reconnaissable (PNG, JPEG, TIFF ou JPEG 2000)",
    ),
    "unsayable": (
        "has signs in its name that cannot be shown; give it another name",
        "a dans son nom des signes qui ne s'affichent pas ; donnez-lui un autre nom",
    ),
    "unreadable": ("cannot be read: {why}", "ne peut pas être lu : {why}"),
    "too large": ("has {bytes} MB; {most} MB are the most that is taken", "a {bytes} Mo ; {most} Mo sont le plus qui soit pris"),
    "bad result": ("what came back for it was not taken: {why}", "ce qui est revenu n'a pas été pris : {why}"),
    "not done": ("was not recognised: {why}", "n'a pas été reconnu : {why}"),
    "lost": ("the cluster does not have the batch any more", "la grappe n'a plus ce lot"),
    "no place": (
        "lies outside of a folder that is named after a model ({models})",
        "n'est pas dans un dossier qui porte le nom d'un modèle ({models})",
    ),
    "head": (
        "Not recognised. To try one again, put a corrected file in the place of the old one.",
        "Non reconnues. Pour réessayer, remplacez le fichier par un fichier corrigé.",
    ),
}


def say(key: str, speech: Language | None = None, **values: object) -> str:
    return _WORDS[key][LANGUAGES.index(speech or language())].format(**values)


def both(key: str, **values: object) -> str:
    """In both languages, for a file whose readers are not known."""
    return " / ".join(say(key, speech, **values) for speech in LANGUAGES)


def explain(refusal: RefusalError, speech: Language | None = None) -> str:
    said = refusal.said.rstrip(".") or "-"
    return _REFUSALS[refusal.kind][LANGUAGES.index(speech or language())].format(said=said)

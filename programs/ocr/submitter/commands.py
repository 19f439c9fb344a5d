"""ocr: sends page images to be recognised on a cluster and brings the results back.

Exit status: 0 all is well, 1 some pages could not be recognised, 2 wrong words, 3 not now, later, 4 a person has to do something.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .gate import number_of, text_of, texts_of
from .images import looks_like_image, measure
from .names import batch_name, page_name, sayable
from .refusal import RefusalError
from .results import zip_place
from .session import CommandError, Session
from .settings import DEFAULT, SettingsError, read_settings
from .show import line, summary
from .store import Batch, BusyError, Page
from .stream import open_plain
from .words import explain, say
from .work import local

WELL, PAGES_FAILED, WRONG, LATER, PERSON = range(5)
_LOGIN = ("network", "host", "denied")  # what can stand in the way of a login


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        settings = read_settings(asked.settings)
        with ExitStack() as stack:
            run: Callable[[Session, argparse.Namespace], int] = asked.run
            return run(Session(settings, stack), asked)
    except (BrokenPipeError, KeyboardInterrupt):  # whoever reads what we say has gone
        return LATER
    except (SettingsError, CommandError, BusyError, RefusalError, sqlite3.Error, OSError) as error:
        said, status = _told(error)
        print(f"ocr: {said}", file=sys.stderr)
        return status


def _told(error: Exception) -> tuple[str, int]:
    """What a person is told, and the exit status."""
    match error:
        case BusyError():
            return say("busy"), LATER
        case RefusalError():
            return explain(error), PERSON if error.meaning.person else LATER
        case OSError():
            return explain(local(error)), PERSON
        case sqlite3.Error():
            return f"ocr.sqlite3: {error}", PERSON
        case _:
            return str(error), WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ocr", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, default=DEFAULT, metavar="FILE")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    submit = commands.add_parser("submit", help="send the images of a folder")
    submit.add_argument("folder", type=Path)
    submit.add_argument("--model", required=True)
    submit.add_argument("--project", help="who pays, where clusters are charged to projects")
    submit.add_argument("--to", type=Path, metavar="FOLDER", help="where the results go (default: beside the images)")
    submit.add_argument("--zip", action="store_true", help="make a ZIP for eScriptorium as well")
    submit.add_argument("--again", action="store_true", help="recognise anew what was recognised before")
    submit.add_argument("--watch", action="store_true", help="wait, and fetch the results")
    submit.set_defaults(run=_submit)
    for name, run, what, needed in (
        ("status", _status, "how it goes", "?"),
        ("fetch", _fetch, "bring the results that are there", "?"),
        ("cancel", _cancel, "take a job back", None),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("batch", nargs=needed, help="its name, or the beginning of it")
        command.set_defaults(run=run)
    commands.add_parser("list", help="all that was ever sent").set_defaults(run=_list)
    queue = commands.add_parser("queue", help="what a timer runs")
    queue.add_argument("what", choices=["run"], help="take what was dropped, bring what is there")
    queue.set_defaults(run=_queue)
    return parser


def _submit(session: Session, asked: argparse.Namespace) -> int:
    folder, destination = asked.folder.resolve(), (asked.to or asked.folder).resolve()
    cluster = session.settings.cluster(asked.project)
    pages, failed = _images(folder)
    for own, why in failed:
        print(f"{own}: {why}", file=sys.stderr)
    name, known = _name(session, asked.model, [(page.page, page.sha256) for page in pages], again=asked.again)
    here = PAGES_FAILED if failed else WELL
    if known and known.phase == "over":
        return max(_tell_known(session, known), here)
    if known is None:
        _check(session, cluster.name, asked.model, pages)
        known = Batch(name, cluster.name, asked.model, "submit", str(folder), str(destination), asked.zip, time.time())
        with session.store.whole():
            session.store.add(known, pages)
    with session.alone(known) as batch:
        reached = session.work.advance(batch)
        while asked.watch and reached.phase != "over":
            reached = _after_a_while(session, reached)
    if reached.phase == "over":
        return max(_tell(session, reached), here)
    session.bar.end()
    print(say("sent", batch=name, pages=len(pages), cluster=cluster.name, state=reached.state))
    return WELL


def _name(session: Session, model: str, pages: Sequence[tuple[str, str]], *, again: bool) -> tuple[str, Batch | None]:
    """The name for a batch of these pages, and the batch if there is one: under way, or over and not wanted again."""
    for generation in itertools.count():
        name = batch_name(pages, model=model, submitter=session.settings.submitter, generation=generation)
        batch = session.store.batch(name)
        recognised = batch and batch.phase == "over" and batch.state not in ("cancelled", "changed")
        if batch is None or batch.phase != "over" or (recognised and not again):
            return name, batch
    raise AssertionError  # counting does not end


def _after_a_while(session: Session, batch: Batch) -> Batch:
    """For who watches: what passes by itself is waited for."""
    time.sleep(max(1, session.settings.floor_seconds))
    try:
        return session.work.advance(batch)
    except RefusalError as refusal:
        if refusal.kind not in ("network", "later"):
            raise
        return session.store.batch(batch.name) or batch


def _images(folder: Path) -> tuple[list[Page], list[tuple[str, str]]]:
    """The folder's images, and those that cannot be recognised, with the reason. Raises CommandError when there are none."""
    pages, failed = [], []
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and looks_like_image(path.name))
    except OSError as error:
        raise CommandError(say("no folder", folder=folder, why=error.strerror)) from None
    for path in paths:
        if not sayable(path.name):
            failed.append((ascii(path.name), say("unsayable")))
            continue
        try:
            size, sha256, kind = measure(open_plain(path))
        except OSError as error:
            failed.append((path.name, say("unreadable", why=error.strerror or "")))
            continue
        if kind:
            pages.append(Page(page_name(path.name, kind), path.name, str(path), size, sha256))
        else:
            failed.append((path.name, say("no image")))
    if not pages:
        raise CommandError(say("no images", folder=folder))
    return pages, failed


def _check(session: Session, cluster: str, model: str, pages: Sequence[Page]) -> None:
    """What the gate would refuse anyway is said before anything is sent. Raises CommandError."""
    said = session.gate(cluster).call("hello")
    models = texts_of(said, "models")
    if model not in models:
        raise CommandError(say("no model", model=model, cluster=cluster, models=", ".join(models)))
    limits = said.get("limits")
    if not isinstance(limits, dict):
        raise RefusalError("garbled", "limits")
    size, most, most_bytes = sum(page.size for page in pages), number_of(limits, "pages"), number_of(limits, "batch_bytes")
    if len(pages) > most or size > most_bytes:
        mega = 1_000_000
        raise CommandError(say("too many", pages=len(pages), bytes=size // mega, cluster=cluster, most=f"{most:.0f}",
                       most_bytes=f"{most_bytes / mega:.0f}"))  # fmt: skip


def _tell(session: Session, batch: Batch) -> int:
    pages = session.store.pages(batch.name)
    session.bar.end()
    print(summary(batch, pages, session.store.aside(batch.name)))
    place = zip_place(batch, "")
    if batch.zipped and place.exists():
        print(say("zip", file=place))
    return PAGES_FAILED if any(page.outcome != "done" for page in pages) else WELL


def _tell_known(session: Session, batch: Batch) -> int:
    """Of pages that are not sent, because they were before."""
    if all(page.outcome == "done" for page in session.store.pages(batch.name)):
        print(say("known", model=batch.model, batch=batch.name, place=batch.destination))
        return WELL
    status = _tell(session, batch)
    print(say("known in part", model=batch.model, batch=batch.name))
    return status


def _each(session: Session, steps: Iterable[tuple[str, str, Callable[[], int]]]) -> int:
    """Of each (cluster, what it is about, step): trouble with one is said and holds up no other. The worst exit status."""
    worst, shut = WELL, set[str]()
    for cluster, about, step in steps:
        if cluster in shut:
            print(f"ocr: {say('not tried', about=about)}", file=sys.stderr)
            continue
        try:
            worst = max(worst, step())
        except (BusyError, RefusalError) as error:
            session.bar.end()
            said, status = _told(error)
            print(f"ocr: {about}: {said}", file=sys.stderr)
            worst = max(worst, status)
            # Knocking on is no use, takes long, and a cluster that counts failed logins shuts us out.
            if isinstance(error, RefusalError) and error.kind in _LOGIN and not session.gate(cluster).reached:
                shut.add(cluster)
    return worst


def _status(session: Session, asked: argparse.Namespace) -> int:
    batches = [session.named(asked.batch)] if asked.batch else session.alive()
    if not batches:
        print(say("nothing"))
    gates = () if asked.batch else session.settings.clusters
    return _each(
        session,
        [(batch.cluster, batch.name, partial(_show_batch, session, batch)) for batch in batches]
        + [(cluster, cluster, partial(_show_gate, session, cluster)) for cluster in gates],
    )


def _show_batch(session: Session, known: Batch) -> int:
    batch = session.work.ask(known) if known.phase == "wait" else known
    age = f" {say('as of', seconds=f'{time.time() - batch.asked:.0f}')}" if batch.asked else ""
    print(line(batch, len(session.store.pages(batch.name))) + age)
    if batch.problem:
        print(f"  {batch.said}")
    return WELL


def _show_gate(session: Session, cluster: str) -> int:
    said = session.gate(cluster).call("hello")
    today, limits = said.get("today"), said.get("limits")
    if not isinstance(today, dict) or not isinstance(limits, dict):
        raise RefusalError("garbled", "today")
    used, most = (f"{number_of(part, name):.0f}" for part, name in ((today, "pages"), (limits, "pages_a_day")))
    skew = f"{abs(number_of(said, 'time') - time.time()):.0f}"
    print(say("gate", cluster=cluster, until=text_of(said, "until"), pages=used, most=most, skew=skew))
    return WELL


def _fetch(session: Session, asked: argparse.Namespace) -> int:
    batches = [session.named(asked.batch)] if asked.batch else session.alive()
    if not batches:
        print(say("nothing"))
    return _each(session, [(batch.cluster, batch.name, partial(_fetch_one, session, batch)) for batch in batches])


def _fetch_one(session: Session, known: Batch) -> int:
    with session.alone(known) as fresh:
        batch = session.work.advance(fresh)
        if batch.phase == "wait" and batch.done:
            session.work.lay_done(batch)
    if batch.phase == "over":
        return _tell(session, batch)
    session.bar.end()
    print(line(batch, len(session.store.pages(batch.name))))
    return WELL


def _cancel(session: Session, asked: argparse.Namespace) -> int:
    with session.alone(session.named(asked.batch)) as batch:
        if batch.phase not in ("send", "start", "wait"):
            raise CommandError(say("is over", batch=batch.name))
        session.work.cancel(batch)
    print(say("cancelled", batch=batch.name))
    return WELL


def _list(session: Session, _: argparse.Namespace) -> int:
    for batch in session.store.batches():
        pages = session.store.pages(batch.name)
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(batch.made))
        done = sum(page.outcome == "done" for page in pages) if batch.phase == "over" else batch.done
        state = batch.state if batch.phase != "over" or batch.state in ("cancelled", "changed", "lost") else "over"
        print(f"{made}  {batch.name}  {batch.model}  {state or batch.phase}  {done}/{len(pages)}  {batch.destination}")
    return WELL


def _queue(session: Session, _: argparse.Namespace) -> int:
    if session.settings.queue is None:
        raise CommandError(say("no queue"))
    from .queue_run import run_queue  # only here: the other commands start sooner without it

    return PERSON if run_queue(session.settings, session.settings.queue, session.store, session.work, session.gate) else WELL

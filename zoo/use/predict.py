"""What `benchmark.py predict` does: sources in, rows out; one that cannot be read stops none of the others."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.use.draw import Folder, heat
from zoo.use.errors import NoSource
from zoo.use.face import NO_FACE, Answer
from zoo.use.output import check_output, existing_folder, json_text, open_output
from zoo.use.recognizer import Recognizer
from zoo.use.rows import Row, line, rows
from zoo.use.sources import Picture, Reading, Source, expanded

EXIT_ALL_FAILED = 2


@dataclass(frozen=True)
class Job:
    """What to write, and how much to say: files of rows, drawn pictures, pictures of where the model looks."""

    out: Path | None = None
    draw: Path | None = None
    explain: Path | None = None
    resume: bool = False
    as_json: bool = False
    quiet: bool = False
    smooth: float = 0.0
    reading: Reading = field(default_factory=Reading)


def predict(recognise: Recognizer, sources: Sequence[str], job: Job) -> int:
    """Answer all sources; return 0, or 2 where none of them could be read.

    Raises ValueError before anything is written, where no source is there or something cannot be written.
    """
    wanted = found(sources, job.reading)
    check(sources, job)
    output = None if job.out is None else open_output(job.out, recognise.classes, job.resume)
    done = set() if output is None else output.done
    drawn = None if job.draw is None else Folder(job.draw)
    explained = None if job.explain is None else Folder(job.explain)
    tally = Tally(len(done))
    complete = False
    try:
        left = (source for source in wanted if source.name not in done)
        for answer in recognise.answers(left, smooth=job.smooth, keep=drawn is not None):
            table = rows(answer, recognise.classes)
            if output is not None:
                output.write(table)
            _print(table, job)
            tally.add(answer, job.quiet)
            if drawn is not None:
                drawn.add(answer)
            if explained is not None:
                _explain(recognise, answer, explained)
        complete = True
    finally:
        if output is not None:
            output.close(complete)
        if drawn is not None:
            drawn.close()
    return tally.code()


@dataclass
class Tally:
    """How many sources were read, and what is said once: how faces are found, and what is odd about a source."""

    read: int = 0
    failed: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def add(self, answer: Answer, quiet: bool) -> None:
        """Count an answer."""
        if answer.error not in ("", NO_FACE):
            self.failed.append(f"{answer.source} {answer.error.removeprefix('unreadable: ')}")
            return
        self.read += 1
        how = "taken as crops of one face each" if answer.detector == "cropped" else f"faces by {answer.detector}"
        self._say(how, f"pictures: {how}", quiet)
        if answer.note:
            self._say(answer.source, f"{answer.source} {answer.note}", quiet)

    def _say(self, what: str, text: str, quiet: bool) -> None:
        if not quiet and what not in self.said:
            print(text, file=sys.stderr)
        self.said.add(what)

    def code(self) -> int:
        """Return the exit code, and say what failed where nothing else was read."""
        if self.read or not self.failed:
            return 0
        print("\n".join(self.failed), file=sys.stderr)
        return EXIT_ALL_FAILED


def found(sources: Sequence[str], reading: Reading) -> Iterable[Source]:
    """Return all that the sources mean, opened later; one that is not there is a picture that says so.

    Raises NoSource, with the reasons, where none of them is there.
    """
    first: list[list[Source]] = []
    reasons: list[str] = []
    for source in sources:
        try:
            first.append(list(expanded([source], reading)))
        except NoSource as error:
            reasons.append(str(error))
            first.append([_missing(source, str(error))])
    if len(reasons) == len(sources):
        raise NoSource("\n".join(reasons))
    return [one for part in first for one in part]


def _missing(source: str, reason: str) -> Source:
    def pictures() -> Iterator[Picture]:
        yield Picture(source, None, f"missing: {reason.removeprefix(f'{source}: ')}")

    return Source(source, pictures)


def check(sources: Sequence[str], job: Job) -> None:
    """Raise ValueError where something cannot be written, or would be written over what is read."""
    read = {Path(source).resolve() for source in sources}
    folders = read | {path.parent for path in read if path.is_file()}
    if job.out is not None:
        check_output(job.out, job.resume)
        if job.out.resolve() in read:
            raise ValueError(f"{job.out}: is named as a source, too")
    elif job.resume:
        raise ValueError("--resume goes on with the file of --out, which is missing")
    for path in (job.draw, job.explain):
        if path is not None and path.resolve() in folders:
            raise ValueError(f"{path}: holds the sources; drawn pictures go to another folder")
        if path is not None and (path.is_file() or not existing_folder(path / "x").is_dir()):
            raise ValueError(f"{path}: is no folder")


def _explain(recognise: Recognizer, answer: Answer, folder: Folder) -> None:
    for number, face in enumerate(answer.faces, start=1):
        frame = "" if answer.frame is None else f"-frame{answer.frame}"
        path = folder.name(answer.source, ".png", more=f"{frame}-face{number}")
        heat(face, recognise.explain(face)).save(path)


def _print(table: Sequence[Row], job: Job) -> None:
    if job.as_json:
        print(json_text(table), end="", flush=True)
    elif job.out is None and not job.quiet:
        print("\n".join(line(row) for row in table), flush=True)

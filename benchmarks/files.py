"""Files of the project: written whole or not at all, and tables of text as CSV, one way for all of them."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import platform
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

CsvRow = dict[str, str]
FORMULA = re.compile(r"\s*[=+@-].|[\t\n]", re.DOTALL)  # what begins so, spreadsheets compute
NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?|[+-](inf|nan)", re.IGNORECASE)
SUCCESSOR = ".successor.draft"
"""How the name of a draft ends that several processes may want to make, which therefore does not say whose it is. Its
writer makes it as a second name of a draft of its own, and keeps that one longer."""
OLD = 3600.0  # seconds after which a draft whose writer cannot be asked for is taken for given up


class DamagedFile(ValueError):
    """A file of the project's own that cannot be used; the message names it, says why, and what heals it."""


class CannotWrite(OSError):
    """A file that cannot be written; the message names it, the reason, and what to do."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path, self.error = path, error
        reason, full = error.strerror or str(error), error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space" if full else "choose a folder that you may write to"
        super().__init__(
            f"{path} cannot be written: {reason}. What was there before is unchanged. To go on, {advice}, or name "
            "another folder of results by --results; what is finished there is not done again"
        )

    def __reduce__(self) -> tuple[type[CannotWrite], tuple[Path, OSError]]:
        return type(self), (self.path, self.error)  # figures are drawn in processes of their own, which may raise it


def replace_atomically(path: Path, write: Callable[[Path], Any], *, rebuilt: bool = False) -> None:
    """Call `write` with a draft's path, then put the draft at `path`; the old file stays whole until the new one is.

    The draft is on the disk before it is put there, unless it is `rebuilt` from others in seconds: hundreds of figures
    and fits would wait 8 ms each. It may be read by whom the user's umask lets. Raises CannotWrite.
    """
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.touch()
            mode = draft.stat().st_mode  # some libraries write files that nobody else may read
            write(draft)
            if draft.stat().st_mode != mode:
                draft.chmod(stat.S_IMODE(mode))
            if not rebuilt:
                with draft.open("rb+") as file:
                    os.fsync(file.fileno())  # or a crash of the machine could leave the new name with no bytes
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(path, error) from error


def draft_of(path: Path) -> Path:
    """Return where this process writes a file before it is put at `path`: beside it, on one file system."""
    return path.with_name(f".{path.name}.{machine()}.{os.getpid()}.draft")


def machine() -> str:
    """Name what numbers of processes are of: this machine, and on Linux the namespace, as each container has one.

    Containers may have the name of their host, and number processes from 1 all the same.
    """
    try:
        return f"{platform.node()}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return platform.node()


def remove_drafts(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder: drafts of this user whose process is no more.

    Processes of other machines cannot be asked for: theirs go when they are an hour old. What cannot be removed stays.
    """
    for draft in sorted(folder.glob(".*.draft"), key=lambda draft: draft.name.endswith(SUCCESSOR)):
        try:
            about = draft.stat()
            mine = not hasattr(os, "getuid") or about.st_uid == os.getuid()
            left = draft.name.endswith(SUCCESSOR) and about.st_nlink == 1
            if mine and (left or _is_of_the_dead(draft) or time.time() - about.st_mtime > OLD):
                draft.unlink(missing_ok=True)
        except OSError:
            continue


def _is_of_the_dead(draft: Path) -> bool:
    """Say whether a draft was written on this machine by a process that has ended."""
    where, _, process = draft.name.removesuffix(".draft").rpartition(".")
    if os.name != "posix" or not where.endswith(f".{machine()}") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it is another user's
        return False
    return False


def check_writable(folder: Path) -> None:
    """Raise CannotWrite where no file can be written into the folder, or into the one that it would be made in."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise CannotWrite(folder, error) from error


def write_atomic(path: Path, content: str | bytes, *, rebuilt: bool = False) -> None:
    """Put `content` (text as UTF-8) at `path`, making its folder; `rebuilt` is that of `replace_atomically`.

    Bytes that are no UTF-8, such as those of a file's name, are written as \\udcff: one of them costs no report.
    """
    encoded = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    replace_atomically(path, lambda draft: draft.write_bytes(encoded), rebuilt=rebuilt)


def rounded(value: Any) -> Any:
    """Round floats anywhere in lists and dicts to six decimals: later digits differ from processor to processor."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value


def json_text(value: Any) -> str:
    """Return JSON that diffs well: an object has one line per key, an array of plain values one line in all."""
    return _json(value, "") + "\n"


def _json(value: Any, margin: str) -> str:
    inner = margin + " "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {_json(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        return "[\n" + ",\n".join(inner + _json(part, inner) for part in value) + f"\n{margin}]"
    return json.dumps(value)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV table as text: a head of `columns`, one line per row, line feeds as line ends; None is empty.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_harmless, columns))
    writer.writerows(map(_harmless, row) for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # which alone is quoted
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def csv_text_of(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the CSV table of `rows`, one at least, under the keys of the first; raise ValueError where keys differ."""
    columns = list(rows[0])
    for row in rows:
        if row.keys() != rows[0].keys():
            raise ValueError(f"rows of a table differ in their columns: {columns} and {list(row)}")
    return csv_text(columns, ([row[column] for column in columns] for row in rows))


def read_csv(path: Path, columns: Sequence[str] = (), numbers: Sequence[str] = ()) -> list[CsvRow]:
    """Return the rows of a CSV table as text by column; none where there is no such file.

    Raises DamagedFile where it is no table in UTF-8, a row has more or fewer cells than the head, one of `columns` is
    missing, or a cell of the columns `numbers` holds no finite number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        return []
    except (ValueError, csv.Error, OSError) as error:
        raise DamagedFile(f"{path.name}: is damaged or no table ({error}); remove it or restore it") from error
    for line, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DamagedFile(f"{path.name}: row {line} has more or fewer cells than the head; remove it or restore it")
        if lacking := [column for column in (*columns, *numbers) if column not in row]:
            raise DamagedFile(f"{path.name}: has no column {lacking[0]!r}; remove it or restore it")
        for column in numbers:
            if not _is_number(row[column]):
                raise DamagedFile(f"{path.name}: row {line} has no number as {column}; remove it or restore it")
    return rows


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

"""Reader of FER2013 as a CSV of pixels: emotion, pixels, Usage in any order; plain or packed (zip, gz, tar, tar.gz).

pandas and pyarrow would take a row that was cut short as text like any other. So the pixel text is parsed here, many
rows at once, straight from pyarrow's buffer; a batch in which anything is off is parsed again row by row, to say what
is wrong and where.
"""

import codecs
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.data.errors import DataError, first_line, shortened
from benchmarks.data.fer2013.archives import DAMAGE, HEADER_BYTES, open_table
from benchmarks.data.fer2013.table import IMAGE_SIZE, GrowingImages, Rows, check_count, emotion_index, usage_index
from benchmarks.data.text_table import delimiter_of

NAMES = {"emotion": "emotion", "pixels": "pixels", "usage": "Usage"}
COLUMNS = tuple(NAMES)
PIXELS = IMAGE_SIZE * IMAGE_SIZE
BLOCK_BYTES = 1 << 21  # about 225 rows at a time, whose parsing takes 15 times as much


def header_columns(line: bytes) -> tuple[list[str], str]:
    """Return the column names of a header line, lower case, without the spaces that icml_face_data.csv has before them,
    and the delimiter between them."""
    text = line.decode("utf-8-sig", "replace")
    delimiter = delimiter_of(text.lower(), COLUMNS)
    return [name.strip().strip('"').strip().lower() for name in text.split(delimiter)], delimiter


def why_not_header(line: bytes) -> str | None:
    """Say what keeps a first line from being the header of this form; return None where nothing does."""
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in line:
        return "it is not in UTF-8 (UTF-16?); save it as CSV UTF-8"
    names, _ = header_columns(line)
    missing = [NAMES[column] for column in COLUMNS if column not in names]
    if not missing:
        return None
    if len(missing) == len(COLUMNS) and names[0].isdecimal():
        return "it begins with a row, not with the names of the columns; put them above it"
    return f"it has no {' and '.join(missing)}; its columns are {shortened(', '.join(names))}"


def why_not(path: Path) -> str | None:
    """Say what keeps a file from being this form; return None where nothing does."""
    try:
        with open_table(path, why_not_header):
            return None
    except DataError as error:
        return str(error)
    except DAMAGE as error:
        return f"damaged or truncated ({first_line(error)})"


def read(path: Path) -> Rows:
    """Read all rows of the table; raise DataError naming the file and the row (from 1, the header not counted)."""
    try:
        with open_table(path, why_not_header) as stream:
            return _read_stream(stream, str(path))
    except DAMAGE as error:
        raise DataError(f"{path}: damaged or truncated ({first_line(error)}). Copy or download it again.") from error


def _read_stream(stream: IO[bytes], name: str) -> Rows:
    images = GrowingImages()
    targets, usages = [], []
    for batch in _batches(stream, name):
        start = images.count + 1
        check_count(start, name)
        images.add(_pixels(batch.column("pixels"), name, start))
        targets.append(_indices(batch.column("emotion"), emotion_index, name, start))
        usages.append(_indices(batch.column("usage"), usage_index, name, start))
    if not images.count:
        raise DataError(f"{name}: a header and no row. Copy or download the file again.")
    return Rows(images.all(), np.concatenate(targets), np.concatenate(usages), ordered=True)


def _batches(stream: IO[bytes], name: str) -> Any:
    """Yield record batches with the three columns as bytes; raise DataError where a row has other fields than three."""
    import pyarrow as pa
    from pyarrow import csv

    header = stream.readline(HEADER_BYTES)
    if len(header) == HEADER_BYTES:
        raise DataError(f"{name}: its first line has {HEADER_BYTES:,} characters and more. Use the original file.")
    names, delimiter = header_columns(header)
    wrong: list[Any] = []

    def refuse(row: Any) -> str:
        wrong.append(row)
        return "error"

    done = 0
    try:
        # One thread: it alone knows the number of a wrong row.
        reader = csv.open_csv(
            stream,
            # As Latin-1, for which every byte is a letter: of a wrong row in any other encoding pyarrow would print its
            # own failure to decode it.
            read_options=csv.ReadOptions(
                column_names=names, block_size=BLOCK_BYTES, use_threads=False, encoding="latin-1"
            ),
            parse_options=csv.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                include_columns=list(COLUMNS), column_types={column: pa.binary() for column in COLUMNS}
            ),
        )
        for batch in reader:
            yield batch
            done += batch.num_rows
    except pa.ArrowInvalid as error:
        if not wrong:
            after = f"after row {done}" if done else "after the header"
            raise DataError(f"{name}: no row can be read {after} ({first_line(error)}).") from error
        row = wrong[0]
        raise DataError(
            f"{name}, row {row.number}: {row.actual_columns} fields instead of {row.expected_columns}. "
            "The file is truncated or damaged there: copy or download it again."
        ) from error


def _indices(column: Any, index_of: Any, name: str, start: int) -> np.ndarray:
    """Convert a column of few distinct values to int64 indices."""
    known: dict[bytes, int] = {}
    indices = []
    for row, value in enumerate(column.to_pylist(), start):
        if value not in known:
            known[value] = index_of(value.decode("utf-8", "replace"), f"{name}, row {row}")
        indices.append(known[value])
    return np.array(indices, dtype=np.int64)


def _pixels(column: Any, name: str, start: int) -> np.ndarray:
    """Parse a pyarrow binary column to uint8 [rows, 2304]."""
    _, offset_buffer, text_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(text_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    pixels = _parse_rows(text, offsets - offsets[0])
    if pixels is None:
        rows = enumerate(column.to_pylist(), start)
        pixels = np.stack([_parse_row(value, f"{name}, row {row}") for row, value in rows])
    return pixels


def _parse_rows(text: np.ndarray, offsets: np.ndarray) -> np.ndarray | None:
    """Parse rows of numbers with spaces between to uint8 [rows, 2304]; return None where anything at all is off.

    text     uint8, the rows one after another with nothing between them
    offsets  where each row begins, and the end of the last
    """
    digits = text - np.uint8(48)  # anything but a digit wraps round to more than 9
    is_digit = digits < 10
    if np.count_nonzero(is_digit) + np.count_nonzero(text == 32) != len(text):
        return None
    begins, ends = is_digit.copy(), is_digit.copy()
    begins[1:] &= ~is_digit[:-1]
    ends[:-1] &= ~is_digit[1:]
    edges = offsets[1:-1]
    if (offsets[1:] == offsets[:-1]).any():
        return None
    begins[edges] = is_digit[edges]  # a number ends with its row, though the next row's first digit follows at once
    ends[edges - 1] = is_digit[edges - 1]
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    length = last - first + 1
    counts = np.diff(np.searchsorted(last, offsets))
    if (counts != PIXELS).any() or (length > 3).any():
        return None
    values = digits[last].astype(np.int16)
    values += 10 * digits[last - 1].astype(np.int16) * (length > 1)
    values += 100 * digits[last - 2].astype(np.int16) * (length > 2)
    return None if (values > 255).any() else values.astype(np.uint8).reshape(-1, PIXELS)


def _parse_row(value: bytes, where: str) -> np.ndarray:
    """Parse one row to uint8 [2304]; raise DataError with what is wrong in it."""
    numbers = value.decode("utf-8", "replace").split()
    for position, number in enumerate(numbers, 1):
        pixel, shown = f"{where}: pixel {position} is", shortened(number)
        if not (number.isascii() and number.isdecimal()):
            raise DataError(f"{pixel} {shown!r}, not a whole number. Is the file damaged there?")
        if len(number.lstrip("0")) > 3 or int(number) > 255:
            raise DataError(f"{pixel} {shown}, outside 0..255. Is the file damaged there?")
    if len(numbers) != PIXELS:
        raise DataError(
            f"{where}: {len(numbers):,} pixels found of {PIXELS:,}. "
            "The row is truncated or damaged: copy or download the file again."
        )
    return np.array(numbers, dtype=np.int64).astype(np.uint8)

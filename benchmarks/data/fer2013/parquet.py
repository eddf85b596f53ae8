"""Reader of parquet with embedded images: `image` struct{bytes, path}, `emotion`, `Usage`; one file or shards."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.errors import DataError, first_line, shortened
from benchmarks.data.fer2013.decode import decode_grey
from benchmarks.data.fer2013.table import IMAGE_SIZE, GrowingImages, Rows, check_count, emotion_index, usage_index
from benchmarks.data.memory import arrow_within

MAGIC = b"PAR1"
COLUMNS = ("image", "emotion", "Usage")
BATCH_ROWS = 1024


def begins(path: Path) -> bool:
    """Tell whether a file begins as parquet does; a file that cannot be opened does not."""
    try:
        with open(path, "rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def why_not(path: Path) -> str | None:
    """Say what keeps a file that begins as parquet from being FER2013; return None where nothing does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        return f"damaged or truncated parquet ({first_line(error)})"
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        return f"parquet without the column(s) {', '.join(missing)}; it has {shortened(', '.join(schema.names))}"
    kind = schema.field("image").type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return f"parquet whose column image is {kind}, not a struct with the encoded bytes"
    return None


def read(paths: Sequence[Path]) -> Rows:
    """Read all rows of the shards, one after another; raise DataError naming the file and the row (from 0)."""
    images = GrowingImages()
    targets, usages = [], []
    for path in paths:
        for row, (image, emotion, usage) in enumerate(_records(path)):
            where = f"{path}, row {row}"
            check_count(images.count, str(path))
            data = (image or {}).get("bytes")
            if data is None:
                raise DataError(f"{where}: no image bytes. The images must be inside the parquet file.")
            images.add(decode_grey(data, IMAGE_SIZE, where))
            targets.append(emotion_index(str(emotion), where))
            usages.append(usage_index(str(usage), where))
    return Rows(images.all(), np.array(targets, np.int64), np.array(usages, np.int64), ordered=True)


def _records(path: Path) -> Iterator[tuple[Any, Any, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(BATCH_ROWS, columns=list(COLUMNS), use_threads=False)
            while True:
                with arrow_within():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield from zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the parquet file cannot be read ({first_line(error)}).") from error

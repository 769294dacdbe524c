"""Spark, for a city or a province that outgrows one machine. Needs the extra ``spark`` and Java."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from clearing.day.proof import PROOF, Keys, macs_right
from clearing.day.schema import Columns, Flags, arrow, arrow_column, columns_of_table
from clearing.verification.bulk import KEY_LENGTH


class SparkEngine:
    """On a session that the caller made and stops."""

    dialect = "pyspark"

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    @contextmanager
    def session(self) -> Iterator[Session]:
        yield Session(self._spark.newSession())

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        """By the executors: each gets the cards' keys of its rows, never a master."""
        columns = {name: entries[name] for name in PROOF}
        columns |= {
            "row": np.arange(len(keys), dtype=np.int64),
            "card_key": keys.view(f"V{KEY_LENGTH}").reshape(len(keys)),
        }
        frame = self._spark.createDataFrame(_plain(arrow(columns)))
        answer = frame.mapInArrow(_checked, "row bigint, right boolean").toArrow()
        keys[:] = 0
        right = np.zeros(len(keys), dtype=np.bool_)
        right[answer.column("row").to_numpy()] = answer.column("right").to_numpy()
        return right


def _checked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table.set_column(
            table.column_names.index("card_key"), "card_key", table.column("card_key").cast(pa.binary(KEY_LENGTH))
        )
        columns = columns_of_table(table)
        keys = columns.pop("card_key").view(np.uint8).reshape(-1, KEY_LENGTH)
        right = arrow_column(macs_right(columns, keys))
        yield pa.RecordBatch.from_arrays([batch.column("row"), right], names=["row", "right"])


class Session:
    """Of its own: several may have tables of one name."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def give(self, name: str, rows: pa.Table) -> None:
        self._spark.createDataFrame(_plain(rows)).createOrReplaceTempView(name)

    def ask(self, query: str) -> pa.Table:
        return self._spark.sql(query).toArrow()


def _plain(table: pa.Table) -> pa.Table:
    """Spark knows bytes of any length only, and of a table in several chunks PySpark 4.0 takes the first."""
    schema = pa.schema(
        [field.with_type(pa.binary()) if pa.types.is_fixed_size_binary(field.type) else field for field in table.schema]
    )
    return table.cast(schema).combine_chunks()

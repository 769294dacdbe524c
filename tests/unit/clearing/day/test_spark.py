"""Spark with several executors gives the bytes that DuckDB gives."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(find_spec("pyspark") is None, reason="the extra spark is not installed: uv sync --extra spark"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17"),
    pytest.mark.filterwarnings("ignore"),  # PySpark's own, of pandas and of sockets it closes later
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    environment = pytest.MonkeyPatch()
    environment.setenv("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", False)
        .config("spark.sql.shuffle.partitions", 4)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    environment.undo()


@pytest.mark.parametrize("seed", range(4))
def test_the_same_bytes(town: Any, columnar: Any, tell: Any, spark: Any, seed: int) -> None:
    from clearing.day.spark_engine import SparkEngine

    inputs = tell(town, seed, 120)
    expected = columnar.clear(inputs)
    columnar.engine = SparkEngine(spark)
    assert columnar.clear(inputs) == expected

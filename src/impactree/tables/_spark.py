"""Apache Spark on this machine, for what one process no longer does (the extra ``spark``)."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ibis

from impactree.exceptions import MissingExtraError, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["spark"]

_JAVA: Final = "Spark needs Java 17 or 21 (JAVA_HOME or the path), e.g. openjdk-17-jre-headless"
_LOGGING: Final = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n
# Long expressions are compiled in pieces after one attempt as a whole; nothing is wrong then.
logger.codegen.name = org.apache.spark.sql.catalyst.expressions.codegen
logger.codegen.level = off
logger.stages.name = org.apache.spark.sql.execution.WholeStageCodegenExec
logger.stages.level = off
"""


@contextmanager
def spark(folder: Path) -> Iterator[Any]:
    """A backend of Ibis on a Spark of this process, which ends it, or on the one that runs already.

    Nothing listens but on loopback, nothing is written but in the folder.

    Args:
        folder: For what is on the way.

    Raises:
        MissingExtraError: pyspark is missing.
        TableError: Java is missing, or is not one that Spark runs on.
    """
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtraError("spark", "pyspark") from error
    running = SparkSession.getActiveSession()
    if running is not None:
        yield ibis.pyspark.connect(running)
        return
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
    if shutil.which(java) is None:
        raise TableError(f"{_JAVA}; found none")
    builder = SparkSession.builder.master("local[*]").appName("impactree")
    for name, value in _settings(folder).items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise TableError(f"{_JAVA}; this one does not start it: {error}"[:300]) from error
    try:
        yield ibis.pyspark.connect(session)
    finally:
        session.stop()


def _settings(folder: Path) -> dict[str, str]:
    """Of a Spark that is seen by nobody else, and says errors only."""
    logging = folder / "log4j2.properties"
    logging.write_text(_LOGGING, encoding="utf-8")
    java = {"derby.system.home": folder, "log4j2.configurationFile": logging}
    return {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": " ".join(f'"-D{k}={v}"' for k, v in java.items()),
        "spark.local.dir": str(folder / "spill"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.shuffle.partitions": str(os.cpu_count() or 1),
    }

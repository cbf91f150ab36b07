"""A driver that does what the jobs do, on a few rows: the classes that it has loaded go into an archive (place.py).

    classes.py FOLDER

Invariant: it needs nothing but Spark.
"""

import sys

from pyspark.sql import SparkSession


def main(folder):
    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(0, 1000, 1, 2).selectExpr("cast(id as string) value", "id % 3 part")
    rows.mapInArrow(lambda parts: parts, rows.schema).write.partitionBy("part").parquet(f"{folder}/rows")
    rows.select("value").write.text(f"{folder}/lines")
    spark.read.text(f"{folder}/lines").groupBy("value").count().count()
    print(spark.read.parquet(f"{folder}/rows").count())
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])

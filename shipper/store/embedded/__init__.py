"""The embedded store: a folder of Parquet files, asked through DuckDB."""

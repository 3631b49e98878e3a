//! The Parquet tables, their schemas and their versions.

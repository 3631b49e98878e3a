//! Pipeline files: strict reading and total validation.

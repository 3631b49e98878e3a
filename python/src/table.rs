//! Tables that other libraries take over without a copy.

use arrow::array::{RecordBatch, RecordBatchIterator};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// A table that pyarrow, pandas, polars and DuckDB take by the Arrow C stream interface.
#[pyclass(frozen, module = "ser_rs")]
pub struct Table {
    batch: RecordBatch,
    excluded: Vec<(String, String, String)>,
}

impl Table {
    /// The table; of recordings that have no row their names, the kinds of reason and the reasons.
    pub fn new(batch: RecordBatch, excluded: Vec<(String, String, String)>) -> Table {
        Table { batch, excluded }
    }
}

#[pymethods]
impl Table {
    /// The Arrow PyCapsule interface. The types of the columns are fixed: a requested schema is
    /// passed over, as the interface allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = std::iter::once(Ok(self.batch.clone()));
        let reader = RecordBatchIterator::new(batches, self.batch.schema());
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        let schema = self.batch.schema();
        schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Recordings without a row: `(file, kind, reason)`.
    #[getter]
    fn excluded(&self) -> Vec<(String, String, String)> {
        self.excluded.clone()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }
}

//! What a report asks of the tables, answered by grouping and joining them in polars and handed on
//! as plain values in a fixed order.

mod corpus;
mod frame;
mod results;

pub use corpus::{Counts, counts};
pub use results::{MetricSummary, ensemble, spreads};

pub(crate) use frame::{collect, count, frame, seeds, text, texts};

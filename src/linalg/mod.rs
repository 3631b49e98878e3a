//! Products of matrices and loops for several instruction sets, whose sums have one order on every
//! processor.

pub mod dispatch;
pub mod product;

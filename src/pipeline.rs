//! The one file that joins the science to the orchestrator.

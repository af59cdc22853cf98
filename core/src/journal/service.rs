//! Reading the journal.

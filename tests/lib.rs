//! Home of the system tests; see `system/`.

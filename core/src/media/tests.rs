//! Media through the router.

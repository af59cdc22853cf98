//! Records of files through the router.

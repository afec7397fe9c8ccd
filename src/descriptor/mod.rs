//! Descriptors: what other Luigi modules have announced through us, from files in a folder.

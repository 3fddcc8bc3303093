//! Holds the package together: the files beside it are what it is for.

//! Every shape that others read or write, one file each. Conversions only: no I/O, no templates, no clock.

pub mod json;

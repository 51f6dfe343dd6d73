//! One harness for every end to end scenario.

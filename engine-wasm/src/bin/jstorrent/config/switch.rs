//! Switches: flags without a value that can be switched off again.
//!
//! `--no-dht=no` overrides the environment and the file.

use clap::Arg;
use clap::builder::BoolishValueParser;

/// The values of a switch, for `#[arg(…)]`.
pub(crate) trait Switch {
    /// Accepts no value, which means yes, or `=YES|NO`.
    fn yes_or_no(self) -> Self;
}

impl Switch for Arg {
    fn yes_or_no(self) -> Self {
        self.value_name("YES|NO")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("yes")
            .value_parser(BoolishValueParser::new())
    }
}

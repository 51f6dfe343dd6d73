//! Flags that are either said or not, and may be unsaid: `--no-dht=no` outranks the environment and
//! the file.

use clap::Arg;
use clap::builder::BoolishValueParser;

/// What such a flag takes, for `#[arg(…)]`.
pub(crate) trait Switch {
    /// Nothing, which is yes, or `=YES|NO`.
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

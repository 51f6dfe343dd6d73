//! Bencoding (BEP 3): a parser without copies and without recursion.
//!
//! The parser turns the input into a flat list of tokens that refer to spans of the input. This
//! module knows the syntax only; the keys of each format belong to its callers. Invariant: every
//! offset in a token lies inside the input, a container's children follow it directly, and its
//! `next` is the token after the last of them. Work and memory are bounded by the input's length,
//! by [`MAX_TOKENS`] and by [`MAX_DEPTH`]; a string length beyond the end of the input allocates
//! nothing.
//!
//! The parser is strict where an encoding would be ambiguous (numbers with leading zeros, bytes
//! after the end). It accepts what exists in the wild: dictionaries with unsorted keys, and with
//! duplicate keys, of which the first counts.

use thiserror::Error;

/// Deepest nesting accepted; libtorrent has the same limit.
pub const MAX_DEPTH: usize = 100;
/// Most values in one input.
///
/// Enough for a torrent of `crate::geometry::MAX_FILES` files with a dozen values each.
pub(crate) const MAX_TOKENS: usize = 2_000_000;
/// Most digits in a string length; more cannot fit into the input.
const MAX_LENGTH_DIGITS: usize = 10;

/// Why an input is not valid bencoding. Offsets point at the offending byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BencodeError {
    /// The input ends inside a value.
    #[error("the data ends in the middle of a value")]
    UnexpectedEnd,
    /// A byte that starts no value, or an `e` that closes no container.
    #[error("unexpected byte at {0}")]
    UnexpectedByte(usize),
    /// A malformed number, or one that does not fit into 64 bits. Leading zeros are malformed.
    #[error("bad number at {0}")]
    BadNumber(usize),
    /// A dictionary key that is not a byte string.
    #[error("a key that is not a string at {0}")]
    BadKey(usize),
    /// A dictionary key without a value.
    #[error("a key without a value at {0}")]
    MissingValue(usize),
    /// Nested more than [`MAX_DEPTH`] deep.
    #[error("nested too deeply at {0}")]
    TooDeep(usize),
    /// More than [`MAX_TOKENS`] values.
    #[error("too many values")]
    TooManyTokens,
    /// The input is longer than 4 GiB.
    #[error("too long")]
    TooLong,
    /// Bytes follow the value.
    #[error("trailing bytes at {0}")]
    Trailing(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int(i64),
    /// Offset of the string's first byte; the string ends where the token ends.
    Bytes {
        start: u32,
    },
    List,
    Dict,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: u32,
    /// Offset of the byte after the value.
    end: u32,
    /// Index of the token after this value and all of its descendants.
    next: u32,
}

/// A parsed input. [`Document::root`] is its outermost value.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    input: &'a [u8],
    tokens: Vec<Token>,
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: usize,
}

/// Parses an input that consists of exactly one value.
///
/// # Errors
/// [`BencodeError`], with the offset of the offending byte.
pub fn parse(input: &[u8]) -> Result<Document<'_>, BencodeError> {
    let document = parse_prefix(input)?;
    match document.end() {
        end if end == input.len() => Ok(document),
        end => Err(BencodeError::Trailing(end)),
    }
}

/// Parses the value at the start of an input; other bytes may follow.
///
/// [`Document::end`] is where they start.
///
/// # Errors
/// [`BencodeError`], with the offset of the offending byte.
pub fn parse_prefix(input: &[u8]) -> Result<Document<'_>, BencodeError> {
    if u32::try_from(input.len()).is_err() {
        return Err(BencodeError::TooLong);
    }
    let tokens = Tokenizer { input, at: 0, tokens: Vec::new(), open: Vec::new() }.run()?;
    Ok(Document { input, tokens })
}

impl Document<'_> {
    /// Returns the outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    /// Returns the offset of the byte after the outermost value.
    pub fn end(&self) -> usize {
        self.tokens[0].end as usize
    }
}

impl<'d> Value<'d> {
    /// Returns the number, if the value is one.
    pub fn int(self) -> Option<i64> {
        match self.token().kind {
            Kind::Int(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the number, if the value is one and not negative.
    pub(crate) fn uint(self) -> Option<u64> {
        self.int().and_then(|number| u64::try_from(number).ok())
    }

    /// Returns the string's bytes, if the value is a string.
    pub fn bytes(self) -> Option<&'d [u8]> {
        let token = self.token();
        match token.kind {
            Kind::Bytes { start } => Some(&self.document.input[start as usize..token.end as usize]),
            _ => None,
        }
    }

    /// Returns the string, if the value is one and valid UTF-8.
    pub fn text(self) -> Option<&'d str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Returns the elements, if the value is a list.
    pub fn list(self) -> Option<impl Iterator<Item = Value<'d>>> {
        matches!(self.token().kind, Kind::List).then(|| self.children())
    }

    /// Returns keys and values in input order, if the value is a dictionary.
    pub fn dict(self) -> Option<impl Iterator<Item = (&'d [u8], Value<'d>)>> {
        let mut children = matches!(self.token().kind, Kind::Dict).then(|| self.children())?;
        Some(std::iter::from_fn(move || Some((children.next()?.bytes()?, children.next()?))))
    }

    /// Returns the value of a key. `None` if the value is not a dictionary that has the key.
    ///
    /// Of duplicate keys the first counts.
    pub fn get(self, key: &str) -> Option<Value<'d>> {
        self.dict()?.find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
    }

    /// Returns the value's encoding as it stands in the input. An info hash is a hash of such
    /// bytes.
    pub fn raw(self) -> &'d [u8] {
        let token = self.token();
        &self.document.input[token.start as usize..token.end as usize]
    }

    fn token(self) -> Token {
        self.document.tokens[self.index]
    }

    fn children(self) -> impl Iterator<Item = Value<'d>> {
        let end = self.token().next as usize;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let child = Value { document: self.document, index };
            (index < end).then(|| {
                index = child.token().next as usize;
                child
            })
        })
    }
}

/// A container whose end has not been read yet.
struct Open {
    token: usize,
    is_dict: bool,
    /// In a dictionary: a key was read, and its value was not.
    has_key: bool,
}

struct Tokenizer<'a> {
    input: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
}

impl Tokenizer<'_> {
    fn run(mut self) -> Result<Vec<Token>, BencodeError> {
        loop {
            let start = self.at;
            match self.peek()? {
                b'e' => self.close()?,
                byte => {
                    self.expect_key_or_value(byte)?;
                    match byte {
                        b'i' => self.number()?,
                        b'0'..=b'9' => self.string()?,
                        b'l' => self.open(Kind::List)?,
                        b'd' => self.open(Kind::Dict)?,
                        _ => return Err(BencodeError::UnexpectedByte(start)),
                    }
                }
            }
            if self.open.is_empty() {
                return Ok(self.tokens);
            }
        }
    }

    fn peek(&self) -> Result<u8, BencodeError> {
        self.input.get(self.at).copied().ok_or(BencodeError::UnexpectedEnd)
    }

    /// In a dictionary, keys (strings) and values alternate.
    fn expect_key_or_value(&mut self, byte: u8) -> Result<(), BencodeError> {
        let Some(open) = self.open.last_mut().filter(|open| open.is_dict) else { return Ok(()) };
        if !open.has_key && !byte.is_ascii_digit() {
            return Err(BencodeError::BadKey(self.at));
        }
        open.has_key = !open.has_key;
        Ok(())
    }

    fn number(&mut self) -> Result<(), BencodeError> {
        let start = self.at;
        let digits = start + 1;
        let length = self.input[digits..].iter().take(21).position(|byte| *byte == b'e');
        let Some(length) = length else {
            let ends = self.input.len() - digits < 21;
            return Err(if ends {
                BencodeError::UnexpectedEnd
            } else {
                BencodeError::BadNumber(start)
            });
        };
        let text = &self.input[digits..digits + length];
        let number = parse_number(text).ok_or(BencodeError::BadNumber(start))?;
        self.at = digits + length + 1;
        self.push(Kind::Int(number), start)
    }

    fn string(&mut self) -> Result<(), BencodeError> {
        let start = self.at;
        let rest = &self.input[start..];
        let Some(digits) =
            rest.iter().take(MAX_LENGTH_DIGITS + 1).position(|byte| !byte.is_ascii_digit())
        else {
            let ends = rest.len() <= MAX_LENGTH_DIGITS;
            return Err(if ends {
                BencodeError::UnexpectedEnd
            } else {
                BencodeError::BadNumber(start)
            });
        };
        if rest[digits] != b':' {
            return Err(BencodeError::UnexpectedByte(start + digits));
        }
        if digits > 1 && rest[0] == b'0' {
            return Err(BencodeError::BadNumber(start));
        }
        let length =
            rest[..digits].iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        let begin = start + digits + 1;
        let left = self.input.len() - begin;
        let length = usize::try_from(length).ok().filter(|length| *length <= left);
        self.at = begin + length.ok_or(BencodeError::UnexpectedEnd)?;
        self.push(Kind::Bytes { start: offset(begin) }, start)
    }

    fn open(&mut self, kind: Kind) -> Result<(), BencodeError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(BencodeError::TooDeep(self.at));
        }
        let start = self.at;
        self.at += 1;
        self.open.push(Open {
            token: self.tokens.len(),
            is_dict: kind == Kind::Dict,
            has_key: false,
        });
        self.push(kind, start)
    }

    fn close(&mut self) -> Result<(), BencodeError> {
        let open = self.open.pop().ok_or(BencodeError::UnexpectedByte(self.at))?;
        if open.has_key {
            return Err(BencodeError::MissingValue(self.at));
        }
        self.at += 1;
        let next = offset(self.tokens.len());
        let token = &mut self.tokens[open.token];
        (token.end, token.next) = (offset(self.at), next);
        Ok(())
    }

    /// Adds a token that ends at the current offset. [`Self::close`] corrects the end of a
    /// container.
    fn push(&mut self, kind: Kind, start: usize) -> Result<(), BencodeError> {
        if self.tokens.len() >= MAX_TOKENS {
            return Err(BencodeError::TooManyTokens);
        }
        let next = offset(self.tokens.len() + 1);
        self.tokens.push(Token { kind, start: offset(start), end: offset(self.at), next });
        Ok(())
    }
}

/// Parses a decimal number as BEP 3 allows it: no leading zeros, no `-0`, no `+`.
fn parse_number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn offset(at: usize) -> u32 {
    u32::try_from(at)
        .expect("parse_prefix refuses longer inputs, and there are no more tokens than bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Prints a value, strings as `<bytes>`; errors as they display.
    fn show(value: Value<'_>) -> String {
        if let Some(number) = value.int() {
            return number.to_string();
        }
        if let Some(bytes) = value.bytes() {
            return format!("<{}>", bytes.escape_ascii());
        }
        if let Some(list) = value.list() {
            return format!("[{}]", list.map(show).collect::<Vec<_>>().join(" "));
        }
        let dict = value.dict().expect("a value is one of four kinds");
        format!(
            "{{{}}}",
            dict.map(|(key, value)| format!("{}={}", key.escape_ascii(), show(value)))
                .collect::<Vec<_>>()
                .join(" ")
        )
    }

    fn check(input: &str, expected: &str) {
        let got = parse(input.as_bytes());
        let got = got
            .as_ref()
            .map_or_else(|error| format!("{error:?}"), |document| show(document.root()));
        assert_eq!(got, expected, "{input}");
    }

    #[test]
    fn every_kind_of_value_is_parsed() {
        check("i0e", "0");
        check("i-42e", "-42");
        check("i9223372036854775807e", "9223372036854775807");
        check("i-9223372036854775808e", "-9223372036854775808");
        check("0:", "<>");
        check("4:spam", "<spam>");
        check("le", "[]");
        check("l4:spami3elee", "[<spam> 3 []]");
        check("de", "{}");
        check("d3:cow3:moo4:spaml1:a1:bee", "{cow=<moo> spam=[<a> <b>]}");
    }

    #[test]
    fn unsorted_and_repeated_keys_are_accepted_and_the_first_counts() {
        check("d1:bi1e1:ai2e1:bi3ee", "{b=1 a=2 b=3}");
        let document = parse(b"d1:bi1e1:ai2e1:bi3ee").unwrap();
        assert_eq!(document.root().get("b").and_then(Value::int), Some(1));
        assert!(document.root().get("c").is_none());
    }

    #[test]
    fn numbers_have_one_valid_form() {
        for input in
            ["ie", "i-e", "i-0e", "i00e", "i01e", "i+1e", "i1.0e", "i 1e", "i9223372036854775808e"]
        {
            check(input, "BadNumber(0)");
        }
        check("i111111111111111111111111e", "BadNumber(0)");
        check("01:a", "BadNumber(0)");
        check("99999999999:", "BadNumber(0)");
        check("1a", "UnexpectedByte(1)");
    }

    #[test]
    fn unbalanced_containers_are_refused() {
        for input in
            ["", "i", "i1", "1", "5:spam", "l", "d", "d1:a", "li1e", "100000000:", "4294967295:"]
        {
            check(input, "UnexpectedEnd");
        }
        check("e", "UnexpectedByte(0)");
        check("x", "UnexpectedByte(0)");
        check("-1:a", "UnexpectedByte(0)");
        check("lee", "Trailing(2)");
        check("i1ei2e", "Trailing(3)");
    }

    #[test]
    fn keys_are_strings_and_have_values() {
        check("di1ei2ee", "BadKey(1)");
        check("dlei2ee", "BadKey(1)");
        check("d1:ae", "MissingValue(4)");
    }

    #[test]
    fn fifty_thousand_nested_lists_are_an_error_and_not_a_crash() {
        check(&"l".repeat(50_000), "TooDeep(100)");
        check(&"d1:a".repeat(50_000), "TooDeep(400)");
        check(
            &format!("{}{}", "l".repeat(MAX_DEPTH), "e".repeat(MAX_DEPTH)),
            &format!("{}{}", "[".repeat(100), "]".repeat(100)),
        );
    }

    #[test]
    fn too_many_values_are_an_error() {
        let many = [&b"l"[..], &b"0:".repeat(MAX_TOKENS), b"e"].concat();
        assert_eq!(parse(&many).map(|_| ()), Err(BencodeError::TooManyTokens));
    }

    #[test]
    fn the_raw_form_is_the_exact_input() {
        let document = parse(b"d4:infod1:zi1e1:ai2ee3:urli3ee").unwrap();
        assert_eq!(document.root().get("info").unwrap().raw(), b"d1:zi1e1:ai2ee");
        assert_eq!(document.root().get("url").unwrap().raw(), b"i3e");
    }

    #[test]
    fn a_prefix_ignores_the_rest() {
        let document = parse_prefix(b"d1:ai1eebinary").unwrap();
        assert_eq!(document.end(), 8);
    }

    #[test]
    fn every_truncation_of_a_valid_input_is_an_unexpected_end() {
        let input = b"d1:ai-12e4:listl3:abci0ed1:xleee4:lastd1:y10:0123456789ee";
        assert!(parse(input).is_ok());
        for length in 0..input.len() {
            assert_eq!(
                parse(&input[..length]).map(|_| ()),
                Err(BencodeError::UnexpectedEnd),
                "cut to {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(input in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(document) = parse_prefix(&input) {
                show(document.root());
            }
        }

        #[test]
        fn no_bytes_that_resemble_bencoding_panic(input in "[deli0-9:a-]{0,60}") {
            if let Ok(document) = parse(input.as_bytes()) {
                prop_assert_eq!(document.root().raw(), input.as_bytes());
                show(document.root());
            }
        }
    }
}

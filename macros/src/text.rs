//! Prints tokens the way rustfmt would, in one line: for names and signatures that people read.

use proc_macro2::{Delimiter, Punct, Spacing, TokenStream, TokenTree};

/// The tokens as source text in one line.
pub(crate) fn readable(tokens: TokenStream) -> String {
    let mut line = Line::default();
    line.tokens(tokens);
    line.text
}

/// What the last thing printed asks of the next one.
#[derive(Clone, Copy, Default, PartialEq)]
enum Last {
    /// A word or a literal: another word must be kept apart.
    Word,
    /// The end of something, such as `>` or `)`: a word is kept apart.
    Close,
    /// Something that belongs to what follows, such as `&` or `(`.
    #[default]
    Open,
    /// Something with a space on either side, such as `->`.
    Spaced,
}

#[derive(Default)]
struct Line {
    text: String,
    last: Last,
}

impl Line {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
                TokenTree::Ident(ident) => self.word(&ident.to_string()),
                TokenTree::Literal(literal) => self.word(&literal.to_string()),
                TokenTree::Punct(first) => {
                    let pair = match tokens.peek() {
                        Some(TokenTree::Punct(second)) => pair(&first, second),
                        _ => None,
                    };
                    match pair {
                        Some(text) => {
                            tokens.next();
                            self.punct(text);
                        }
                        None => self.punct(first.as_char().encode_utf8(&mut [0; 4])),
                    }
                }
            }
        }
    }

    fn put(&mut self, text: &str, space: bool, last: Last) {
        if space && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.last = last;
    }

    fn word(&mut self, text: &str) {
        self.put(text, self.last != Last::Open, Last::Word);
    }

    fn punct(&mut self, text: &str) {
        let spaced = self.last == Last::Spaced;
        match text {
            "," | ";" | ":" => self.put(text, false, Last::Spaced),
            "::" | "<" | "." | "!" => self.put(text, spaced, Last::Open),
            ">" => self.put(text, false, Last::Close),
            "&" | "*" | "'" | "?" | "-" | "#" => {
                self.put(text, self.last != Last::Open, Last::Open)
            }
            _ => self.put(text, true, Last::Spaced),
        }
    }

    fn group(&mut self, delimiter: Delimiter, tokens: TokenStream) {
        let apart = matches!(self.last, Last::Spaced | Last::Word);
        match delimiter {
            Delimiter::Parenthesis => self.put("(", self.last == Last::Spaced, Last::Open),
            Delimiter::Bracket => self.put("[", apart, Last::Open),
            Delimiter::Brace => self.put("{", apart, Last::Spaced),
            Delimiter::None => {}
        }
        self.tokens(tokens);
        match delimiter {
            Delimiter::Parenthesis => self.put(")", false, Last::Close),
            Delimiter::Bracket => self.put("]", false, Last::Close),
            Delimiter::Brace => self.put("}", true, Last::Close),
            Delimiter::None => {}
        }
    }
}

/// The two characters that are one operator in a signature.
fn pair(first: &Punct, second: &Punct) -> Option<&'static str> {
    if first.spacing() != Spacing::Joint {
        return None;
    }
    match (first.as_char(), second.as_char()) {
        (':', ':') => Some("::"),
        ('-', '>') => Some("->"),
        ('=', '>') => Some("=>"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    /// Whether `source`, taken apart, is printed as it was written.
    #[track_caller]
    fn keeps(source: &str) {
        let tokens = source.parse().expect("source should be tokens");
        assert_eq!(readable(tokens), source);
    }

    #[test]
    fn signatures_read_as_written() {
        keeps("fn square(x: u64) -> u64");
        keeps("fn none()");
        keeps("fn pair((a, b): (u8, u8), mut c: [u8; 4]) -> (u8, [u8; 4])");
        keeps(
            "fn lend<'a>(text: &'a str, items: &[Vec<u8>], map: &HashMap<&'static str, u8>) -> Result<(), String>",
        );
        keeps(
            "fn largest<T: Ord + Clone, const N: usize>(items: [T; N]) -> Option<T> where T: Sized + 'static",
        );
        keeps("fn by(f: Box<dyn Fn(u8, &str) -> u8>) -> <Vec<u8> as IntoIterator>::Item");
        keeps("fn point(x: ::std::primitive::u8, p: PhantomData<*const u8>) -> Self");
        keeps("fn size<T: ?Sized>(x: Box<T>) -> std::vec::Vec<T>");
    }

    #[test]
    fn values_read_as_written() {
        keeps("-1");
        keeps("\"a b\"");
        keeps("Foo<u8, { N + 1 }>");
    }
}

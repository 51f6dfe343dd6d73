//! The keys that a test presses, as Chrome's input domain takes them.

use serde_json::{Value, json};

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A lower-case letter, a digit or a space.
    Character(char),
    /// Confirms.
    Enter,
    /// Moves the focus.
    Tab,
    /// Cancels.
    Escape,
    /// Deletes what is selected.
    Delete,
    /// Left.
    ArrowLeft,
    /// Up.
    ArrowUp,
    /// Right.
    ArrowRight,
    /// Down.
    ArrowDown,
}

/// What is held while a key or a mouse button is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// Nothing.
    None,
    /// Ctrl.
    Control,
    /// Shift.
    Shift,
}

impl Modifier {
    /// The bit that the protocol has for it.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Control => 2,
            Self::Shift => 8,
        }
    }
}

/// The two events of a key: pressed and released.
pub(crate) fn events(key: Key, modifier: Modifier) -> [Value; 2] {
    let (name, code, number) = match key {
        Key::Character(' ') => (" ".to_owned(), "Space".to_owned(), 32),
        Key::Character(character) => {
            let upper = character.to_ascii_uppercase();
            let kind = if upper.is_ascii_digit() { "Digit" } else { "Key" };
            (character.to_string(), format!("{kind}{upper}"), u32::from(upper))
        }
        Key::Enter => named("Enter", 13),
        Key::Tab => named("Tab", 9),
        Key::Escape => named("Escape", 27),
        Key::Delete => named("Delete", 46),
        Key::ArrowLeft => named("ArrowLeft", 37),
        Key::ArrowUp => named("ArrowUp", 38),
        Key::ArrowRight => named("ArrowRight", 39),
        Key::ArrowDown => named("ArrowDown", 40),
    };
    let mut pressed = json!({
        "type": "keyDown", "key": name, "code": code, "windowsVirtualKeyCode": number,
        "modifiers": modifier.bits(),
    });
    let mut released = pressed.clone();
    released["type"] = "keyUp".into();
    match (key, modifier) {
        (Key::Enter, _) => pressed["text"] = "\r".into(),
        (Key::Character(_), Modifier::None) => pressed["text"] = name.into(),
        // Without a window nothing else turns these keys into editing.
        (Key::Character('a'), Modifier::Control) => pressed["commands"] = json!(["selectAll"]),
        (Key::Character('v'), Modifier::Control) => pressed["commands"] = json!(["paste"]),
        _ => {}
    }
    [pressed, released]
}

fn named(name: &str, number: u32) -> (String, String, u32) {
    (name.to_owned(), name.to_owned(), number)
}

//! A page as a person uses it: clicked, typed into, and read, by the test ids of its elements.
//!
//! Clicks and keys go through Chrome's input domain. They reach what a person would reach: not an
//! element below an overlay, not a disabled one, and not a field without focus.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cdp::Session;
use crate::clock::until;

/// Longest wait for an element that is to be clicked or read.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds an element by its test id, also inside shadow roots.
const FIND: &str = r#"(() => {
  const find = (root, id) => {
    const hit = root.querySelector(`[data-testid="${id}"]`);
    if (hit) return hit;
    for (const element of root.querySelectorAll("*")) {
      const inner = element.shadowRoot && find(element.shadowRoot, id);
      if (inner) return inner;
    }
    return null;
  };
  globalThis.byTestId = (id) => find(document, id);
})()"#;

/// Where a person would click an element, or in words why that is not possible now.
const SPOT: &str = r#"(async (find) => {
  const element = find();
  if (!element) return "it is not there";
  element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
  const place = () => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2, area: width * height };
  };
  const before = place();
  await new Promise((done) => setTimeout(done, 40));
  const { x, y, area } = place();
  if (area === 0) return "it has no size";
  if (x !== before.x || y !== before.y) return "it moves";
  if (element.matches(":disabled")) return "it is disabled";
  let top = document.elementFromPoint(x, y);
  for (let inner = top; inner; ) {
    const next = inner.shadowRoot?.elementFromPoint(x, y);
    if (!next || next === inner) break;
    top = inner = next;
  }
  for (let at = top; at; at = at.parentNode ?? at.host) if (at === element) return { x, y };
  return `it is covered by ${top?.outerHTML.slice(0, 120)}`;
})"#;

/// Focuses a list; how many entries below the chosen one the one with this value is.
const STEPS: &str = r#"((list, value) => {
  list.focus();
  const at = [...list.options].findIndex((entry) => entry.value === value);
  return at < 0 ? null : at - list.selectedIndex;
})"#;

/// A key that a person presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A lower-case letter.
    Letter(char),
    /// Up in a list.
    ArrowUp,
    /// Down in a list.
    ArrowDown,
    /// Deletes what is selected.
    Delete,
}

/// A page that a person uses. Clones share it.
#[derive(Clone, Debug)]
pub struct Page {
    session: Session,
}

impl Page {
    /// Uses the page of a session; scripts of tests find elements with `byTestId` from now on, also
    /// after the page has loaded anew.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn of(session: Session) -> Result<Self> {
        session.call("Page.enable", json!({})).await?;
        let always = json!({ "source": FIND });
        session.call("Page.addScriptToEvaluateOnNewDocument", always).await?;
        session.evaluate(FIND).await?;
        Ok(Self { session })
    }

    /// Clicks the element with this test id.
    ///
    /// # Errors
    /// It is not there, covered, or disabled for 20 s.
    pub async fn click(&self, test_id: &str) -> Result<()> {
        self.click_on(&by_test_id(test_id)).await
    }

    /// Clicks the element that a JavaScript expression yields. The page comes to the front.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn click_on(&self, element: &str) -> Result<()> {
        self.session.bring_to_front().await?;
        let script = format!("{SPOT}(() => {element})");
        let last = std::sync::Mutex::new(Value::Null);
        let look = || async {
            let spot = self.session.evaluate(&script).await?;
            let place = spot["x"].as_f64().zip(spot["y"].as_f64());
            *last.lock().expect("nobody panics while holding it") = spot;
            Ok(place)
        };
        let place = until(&format!("a way to click {element}"), PATIENCE, look).await;
        let (x, y) = place.with_context(|| format!("{last:?}\n{}", self.session.console()))?;
        for (kind, button) in
            [("mouseMoved", "none"), ("mousePressed", "left"), ("mouseReleased", "left")]
        {
            let clicks = u8::from(button == "left");
            let event =
                json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks });
            self.session.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Replaces the text of the field with this test id.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn type_into(&self, test_id: &str, text: &str) -> Result<()> {
        self.click(test_id).await?;
        let select = json!({ "type": "rawKeyDown", "commands": ["selectAll"] });
        self.session.call("Input.dispatchKeyEvent", select).await?;
        self.press(Key::Delete).await?;
        self.session.call("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// Chooses the entry with this value in the `<select>` that a JavaScript expression yields.
    ///
    /// # Errors
    /// There is no such list or entry, or the page is gone.
    pub async fn choose_in(&self, select: &str, value: &str) -> Result<()> {
        self.session.bring_to_front().await?;
        let steps = format!("{STEPS}({select}, {})", json!(value));
        let steps = self.session.evaluate(&steps).await?.as_i64().context("no such entry")?;
        let key = if steps < 0 { Key::ArrowUp } else { Key::ArrowDown };
        for _ in 0..steps.unsigned_abs() {
            self.press(key).await?;
        }
        Ok(())
    }

    /// Presses and releases a key, wherever the focus is.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn press(&self, key: Key) -> Result<()> {
        let (name, code, number, text) = match key {
            Key::Letter(letter) => {
                let upper = letter.to_ascii_uppercase();
                let (name, code) = (letter.to_string(), format!("Key{upper}"));
                (name.clone(), code, u32::from(upper), name)
            }
            Key::ArrowUp => ("ArrowUp".into(), "ArrowUp".into(), 38, String::new()),
            Key::ArrowDown => ("ArrowDown".into(), "ArrowDown".into(), 40, String::new()),
            Key::Delete => ("Delete".into(), "Delete".into(), 46, String::new()),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": name, "code": code, "windowsVirtualKeyCode": number });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.as_str().into();
            }
            self.session.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// The text of the element with this test id, as soon as it is there.
    ///
    /// # Errors
    /// There is none in 20 s.
    pub async fn text_of(&self, test_id: &str) -> Result<String> {
        let element = by_test_id(test_id);
        self.session.wait_for(&element, PATIENCE).await?;
        let value = self.session.evaluate(&format!("{element}.textContent.trim()")).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// What the page shows, as text, for the report of a failure.
    pub async fn shows(&self) -> String {
        let text = self.session.evaluate("document.body.innerText").await.unwrap_or_default();
        format!("the page shows:\n{}", text.as_str().unwrap_or_default())
    }
}

impl Deref for Page {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

fn by_test_id(test_id: &str) -> String {
    format!("byTestId({})", json!(test_id))
}

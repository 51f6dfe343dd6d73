//! A page as a person uses it: clicked, typed into, and read.
//!
//! Clicks and keys go through Chrome's input domain, so they reach only what a person can reach: no
//! element below an overlay, no disabled element, no field without focus.
//!
//! Elements are named by test id, or by a JavaScript expression from [`by_test_id`] or [`by_css`].

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::cdp::Session;
use crate::clock::{LIMIT, until};
use crate::keys::{self, Key, Modifier};

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

/// Where a person would click an element: `x` and `y`, and in `wrong` what prevents it now.
const SPOT: &str = r#"(async (find) => {
  const element = find();
  if (!element) return { wrong: "it is not there" };
  element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
  const place = () => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2, area: width * height };
  };
  const before = place();
  await new Promise((done) => setTimeout(done, 40));
  const { x, y, area } = place();
  if (area === 0) return { wrong: "it has no size" };
  if (x !== before.x || y !== before.y) return { wrong: "it moves" };
  if (element.matches(":disabled")) return { wrong: "it is disabled" };
  let top = document.elementFromPoint(x, y);
  for (let inner = top; inner; ) {
    const next = inner.shadowRoot?.elementFromPoint(x, y);
    if (!next || next === inner) break;
    top = inner = next;
  }
  for (let at = top; at; at = at.parentNode ?? at.host) if (at === element) return { x, y };
  return { x, y, wrong: `it is covered by ${top?.outerHTML.slice(0, 120)}` };
})"#;

/// Focuses a list and counts the entries to a value. The count starts at the chosen entry and goes
/// down.
const STEPS: &str = r#"((list, value) => {
  list.focus();
  const at = [...list.options].findIndex((entry) => entry.value === value);
  return at < 0 ? null : at - list.selectedIndex;
})"#;

/// A page that a person uses. Clones share it.
#[derive(Clone, Debug)]
pub struct Page {
    session: Session,
}

impl Page {
    /// Uses the page of a session. Scripts find elements with `byTestId`, also after a reload.
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
    /// The element is not there, covered, or disabled for a minute.
    pub async fn click(&self, test_id: &str) -> Result<()> {
        self.click_on(&by_test_id(test_id)).await
    }

    /// Clicks the element that a JavaScript expression yields. The page comes to the front.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn click_on(&self, element: &str) -> Result<()> {
        self.click_with(element, Modifier::None).await
    }

    /// Clicks the element that a JavaScript expression yields while a modifier key is held.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn click_with(&self, element: &str, modifier: Modifier) -> Result<()> {
        self.session.bring_to_front().await?;
        let script = format!("{SPOT}(() => {element})");
        let last = std::sync::Mutex::new(Value::Null);
        let moves = AtomicU32::new(0);
        let look = || async {
            let spot = self.session.evaluate(&script).await?;
            let place = spot["x"].as_f64().zip(spot["y"].as_f64());
            let is_free = spot["wrong"].is_null();
            *last.lock().expect("nobody panics while holding it") = spot;
            if let (Some((x, y)), false) = (place, is_free) {
                // The controls of a film are there only while the pointer moves.
                let off = f64::from(moves.fetch_add(1, Ordering::Relaxed) % 2);
                self.mouse("mouseMoved", (x, y + off), modifier).await?;
            }
            Ok(place.filter(|_| is_free))
        };
        let place = until(&format!("a way to click {element}"), LIMIT, look).await;
        let place = place.with_context(|| format!("{last:?}\n{}", self.session.console()))?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            self.mouse(kind, place, modifier).await?;
        }
        Ok(())
    }

    async fn mouse(&self, kind: &str, (x, y): (f64, f64), modifier: Modifier) -> Result<()> {
        let (button, clicks) = if kind == "mouseMoved" { ("none", 0) } else { ("left", 1) };
        let event = json!({
            "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks,
            "modifiers": modifier.bits(),
        });
        self.session.call("Input.dispatchMouseEvent", event).await.map(drop)
    }

    /// Replaces the text of the field with this test id.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn fill(&self, test_id: &str, text: &str) -> Result<()> {
        self.click(test_id).await?;
        self.press_with(Key::Character('a'), Modifier::Control).await?;
        if text.is_empty() { self.press(Key::Delete).await } else { self.type_text(text).await }
    }

    /// Types into the element that has the focus.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn type_text(&self, text: &str) -> Result<()> {
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
        self.press_with(key, Modifier::None).await
    }

    /// Presses and releases a key while a modifier key is held.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn press_with(&self, key: Key, modifier: Modifier) -> Result<()> {
        for event in keys::events(key, modifier) {
            self.session.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Presses Tab until the element that a JavaScript expression yields has the focus.
    ///
    /// # Errors
    /// Sixty presses do not lead there, or the page is gone.
    pub async fn tab_to(&self, element: &str) -> Result<()> {
        let has_focus = format!("document.activeElement === {element}");
        for _ in 0..60 {
            self.press(Key::Tab).await?;
            if self.session.evaluate(&has_focus).await? == true {
                return Ok(());
            }
        }
        bail!("Tab does not lead to {element}")
    }

    /// Waits for the element with this test id and returns its text.
    ///
    /// # Errors
    /// There is none in a minute.
    pub async fn text_of(&self, test_id: &str) -> Result<String> {
        let element = by_test_id(test_id);
        self.session.wait_for(&element, LIMIT).await?;
        let value = self.session.evaluate(&format!("{element}.textContent.trim()")).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// The visible text of the element that a JavaScript expression yields, once `is_so` holds.
    ///
    /// # Errors
    /// It does not hold in a minute; the message has the last text.
    pub async fn reads(&self, element: &str, is_so: impl Fn(&str) -> bool) -> Result<String> {
        let read = format!("{element}?.innerText");
        let last = std::sync::Mutex::new(String::new());
        let (seen, is_so, read) = (&last, &is_so, &read);
        let what = format!("the text of {element}");
        let text = until(&what, LIMIT, || async move {
            let text = self.session.evaluate(read).await?;
            let text = text.as_str().unwrap_or_default().to_owned();
            *seen.lock().expect("nobody panics while holding it") = text.clone();
            Ok(Some(text).filter(|text| is_so(text)))
        });
        let text = text.await;
        text.with_context(|| format!("it says {last:?}"))
    }

    /// Waits until a dialog is open, or until none is.
    ///
    /// # Errors
    /// It is not so in a minute.
    pub async fn dialog_is_open(&self, is_open: bool) -> Result<()> {
        let open = format!("!!document.querySelector('dialog[open]') === {is_open}");
        self.session.wait_for(&open, LIMIT).await
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

/// The expression for the element with a test id.
pub fn by_test_id(test_id: &str) -> String {
    format!("byTestId({})", json!(test_id))
}

/// The expression for the first element that a CSS selector finds.
pub fn by_css(selector: &str) -> String {
    format!("document.querySelector({})", json!(selector))
}

//! Mouse and keyboard of a page, as a person has them.
//!
//! Nothing is clicked by a script: a press goes to where an element is on the screen, and fails if
//! something else lies there.

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::cdp::Session;
use jstorrent_tests::clock::{LIMIT, until};
use serde_json::json;

/// A modifier key, as the protocol counts them.
pub(super) const CTRL: u8 = 2;
pub(super) const SHIFT: u8 = 8;

/// Mouse and keyboard of a page.
pub(super) struct Hand<'a>(pub(super) &'a Session);

impl Hand<'_> {
    /// Clicks the first element that a selector finds.
    pub(super) async fn click(&self, selector: &str) -> Result<()> {
        self.click_with(selector, 0).await
    }

    pub(super) async fn click_with(&self, selector: &str, modifiers: u8) -> Result<()> {
        let (x, y) = self.spot(selector).await?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({
                "type": kind, "x": x, "y": y, "button": button, "clickCount": 1,
                "modifiers": modifiers,
            });
            self.0.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// The middle of an element, once it stands still there with nothing over it. It is scrolled to
    /// first, as a person would.
    pub(super) async fn spot(&self, selector: &str) -> Result<(f64, f64)> {
        let find = format!(
            r#"(async () => {{
              const frame = () => new Promise((resolve) => setTimeout(resolve, 30));
              const hit = document.querySelector({});
              if (!hit) return "it is not there";
              if (hit.disabled) return "it is disabled";
              hit.scrollIntoView({{ block: "center" }});
              await frame();
              const before = hit.getBoundingClientRect();
              await frame();
              const box = hit.getBoundingClientRect();
              if (box.top !== before.top || box.left !== before.left) return "it moves";
              const at = [box.left + box.width / 2, box.top + box.height / 2];
              const over = document.elementFromPoint(...at);
              if (over === null || !(hit.contains(over) || over.contains(hit)))
                return `over it lies ${{over?.outerHTML.slice(0, 200)}}`;
              return at;
            }})()"#,
            json!(selector)
        );
        let last = std::sync::Mutex::new(json!(null));
        let seen = &last;
        let what = format!("{selector} to be pressable");
        let spot = until(&what, LIMIT, || async {
            let found = self.0.evaluate(&find).await?;
            let spot = found[0].as_f64().zip(found[1].as_f64());
            *seen.lock().expect("nobody panics while holding it") = found;
            Ok(spot)
        });
        let spot = spot.await;
        spot.with_context(|| format!("{last:?}"))
    }

    /// Presses a key: `Enter`, `a`, `ArrowDown` …
    pub(super) async fn press(&self, key: &str) -> Result<()> {
        self.press_with(key, 0).await
    }

    pub(super) async fn press_with(&self, key: &str, modifiers: u8) -> Result<()> {
        let (code, number, text) = match key {
            "Enter" => ("Enter".to_owned(), 13, Some("\r")),
            " " => ("Space".to_owned(), 32, Some(" ")),
            "Tab" => ("Tab".to_owned(), 9, None),
            "Escape" => ("Escape".to_owned(), 27, None),
            "Delete" => ("Delete".to_owned(), 46, None),
            "End" => ("End".to_owned(), 35, None),
            "Home" => ("Home".to_owned(), 36, None),
            "ArrowLeft" => ("ArrowLeft".to_owned(), 37, None),
            "ArrowUp" => ("ArrowUp".to_owned(), 38, None),
            "ArrowRight" => ("ArrowRight".to_owned(), 39, None),
            "ArrowDown" => ("ArrowDown".to_owned(), 40, None),
            _ if key.len() == 1 => {
                let upper = key.to_ascii_uppercase();
                let number = upper.as_bytes()[0];
                (format!("Key{upper}"), u32::from(number), Some(key).filter(|_| modifiers == 0))
            }
            _ => bail!("no key {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
                "modifiers": modifiers,
            });
            if let Some(text) = text.filter(|_| kind == "keyDown") {
                event["text"] = text.into();
            }
            // Without a window nothing else turns these keys into editing.
            match (key, modifiers) {
                ("a", CTRL) => event["commands"] = json!(["selectAll"]),
                ("v", CTRL) => event["commands"] = json!(["paste"]),
                _ => {}
            }
            self.0.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Types into what has the focus.
    pub(super) async fn type_text(&self, text: &str) -> Result<()> {
        self.0.call("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// Clicks a field and types over what stands in it.
    pub(super) async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        self.click(selector).await?;
        self.press_with("a", CTRL).await?;
        if text.is_empty() { self.press("Delete").await } else { self.type_text(text).await }
    }

    /// Presses Tab until an element has the focus.
    pub(super) async fn tab_to(&self, selector: &str) -> Result<()> {
        let is_there = format!("document.activeElement?.matches({})", json!(selector));
        for _ in 0..60 {
            self.press("Tab").await?;
            if self.0.evaluate(&is_there).await? == true {
                return Ok(());
            }
        }
        bail!("Tab does not lead to {selector}")
    }

    /// What stands in the first element that a selector finds, once that `is_so`.
    pub(super) async fn reads(
        &self,
        selector: &str,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let read = format!("document.querySelector({})?.innerText", json!(selector));
        let last = std::sync::Mutex::new(String::new());
        let (seen, is_so, read) = (&last, &is_so, &read);
        let what = format!("{selector} to say it");
        let text = until(&what, LIMIT, || async move {
            let text = self.0.evaluate(read).await?;
            let text = text.as_str().unwrap_or_default().to_owned();
            *seen.lock().expect("nobody panics while holding it") = text.clone();
            Ok(Some(text).filter(|text| is_so(text)))
        });
        let text = text.await;
        text.with_context(|| format!("it says {last:?}"))
    }
}

pub(super) fn by_id(id: &str) -> String {
    format!("[data-testid={id}]")
}

/// The dialog is open, or none is.
pub(super) async fn dialog(page: &Session, is_open: bool) -> Result<()> {
    page.wait_for(&format!("!!document.querySelector('dialog[open]') === {is_open}"), LIMIT).await
}

/// Bytes of a file; another `salt` makes others.
pub(super) fn content(length: usize, salt: u32) -> Vec<u8> {
    let words = u32::try_from(length / 4).expect("a small file");
    (0..words).flat_map(|at| (at ^ (salt << 24)).wrapping_mul(0x85eb_ca6b).to_be_bytes()).collect()
}

//! A thin driver for the Chrome DevTools Protocol over `--remote-debugging-pipe`.
//!
//! It knows commands, answers, flattened sessions and consoles, and nothing about the product.
//! Every call has a limit, so a browser that hangs is an error.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock::until;

/// Longest wait for the answer to a command.
const PATIENCE: Duration = Duration::from_secs(60);
/// Console lines that are kept for the report of a failure.
const CONSOLE_LINES: usize = 200;

type Answer = Result<Value, String>;

#[derive(Debug, Default)]
struct Shared {
    next_id: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    console: Mutex<VecDeque<String>>,
}

/// The connection to a browser. Clones share it.
#[derive(Clone, Debug)]
pub struct Cdp {
    commands: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Tasks([JoinHandle<()>; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A page, worker or document of the browser.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// `page`, `service_worker`, `background_page` (an offscreen document) …
    pub kind: String,
    /// Where it is.
    pub url: String,
}

impl Cdp {
    /// Connects over the browser's two pipes.
    pub fn new(
        mut to_browser: impl AsyncWrite + Unpin + Send + 'static,
        from_browser: impl AsyncRead + Unpin + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (commands, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
        let write = tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if to_browser.write_all(&message).await.is_err()
                    || to_browser.flush().await.is_err()
                {
                    return;
                }
            }
        });
        let heard = Arc::clone(&shared);
        let read = tokio::spawn(async move {
            let mut from_browser = BufReader::new(from_browser);
            let mut message = Vec::new();
            while let Ok(1..) = from_browser.read_until(0, &mut message).await {
                message.pop();
                if let Ok(value) = serde_json::from_slice(&message) {
                    heard.handle(&value);
                }
                message.clear();
            }
            // Dropping the senders ends the calls that still wait.
            lock(&heard.waiting).clear();
        });
        Self { commands, shared, _tasks: Arc::new(Tasks([write, read])) }
    }

    /// A command to the browser as a whole.
    ///
    /// # Errors
    /// The browser refuses it, is gone, or does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.call_in(None, method, params).await
    }

    async fn call_in(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let mut message = command.to_string().into_bytes();
        message.push(0);
        let (sender, answer) = oneshot::channel();
        lock(&self.shared.waiting).insert(id, sender);
        self.commands.send(message).map_err(|_| anyhow!("the browser is gone"))?;
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        lock(&self.shared.waiting).remove(&id);
        answer
            .with_context(|| format!("no answer to {method}"))?
            .with_context(|| format!("the browser went away during {method}"))?
            .map_err(|message| anyhow!("{method}: {message}"))
    }

    /// All targets.
    ///
    /// # Errors
    /// As [`Cdp::call`].
    pub async fn targets(&self) -> Result<Vec<Target>> {
        let reply = self.call("Target.getTargets", json!({})).await?;
        let text = |info: &Value, key: &str| info[key].as_str().unwrap_or_default().to_owned();
        let target = |info: &Value| Target {
            id: text(info, "targetId"),
            kind: text(info, "type"),
            url: text(info, "url"),
        };
        Ok(reply["targetInfos"].as_array().into_iter().flatten().map(target).collect())
    }

    /// Waits for the target of a kind whose address starts with `url`.
    ///
    /// # Errors
    /// None came in time.
    pub async fn wait_target(&self, kind: &str, url: &str, limit: Duration) -> Result<Target> {
        until(&format!("a {kind} at {url}"), limit, || async {
            Ok(self.targets().await?.into_iter().find(|t| t.kind == kind && t.url.starts_with(url)))
        })
        .await
    }

    /// Attaches to a target and listens to its console.
    ///
    /// # Errors
    /// As [`Cdp::call`].
    pub async fn attach(&self, target: &str) -> Result<Session> {
        let reply = self
            .call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))
            .await?;
        let id = reply["sessionId"].as_str().context("a session id")?.to_owned();
        let session = Session { cdp: self.clone(), id, target: target.to_owned() };
        session.call("Runtime.enable", json!({})).await?;
        session.call("Log.enable", json!({})).await?;
        Ok(session)
    }

    /// Opens a page and attaches to it.
    ///
    /// # Errors
    /// As [`Cdp::call`].
    pub async fn open(&self, url: &str) -> Result<Session> {
        let reply = self.call("Target.createTarget", json!({ "url": url })).await?;
        self.attach(reply["targetId"].as_str().context("a target id")?).await
    }

    /// Closes a target, as a user closes a tab.
    ///
    /// # Errors
    /// As [`Cdp::call`].
    pub async fn close(&self, target: &str) -> Result<()> {
        self.call("Target.closeTarget", json!({ "targetId": target })).await.map(drop)
    }

    /// The last lines of the pages' consoles.
    pub fn console(&self) -> String {
        let lines: Vec<_> = lock(&self.shared.console).iter().cloned().collect();
        format!("console:\n  {}", lines.join("\n  "))
    }
}

impl Shared {
    fn handle(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            let answer = match message.get("error") {
                Some(error) => Err(error["message"].as_str().unwrap_or("refused").to_owned()),
                None => Ok(message["result"].clone()),
            };
            if let Some(sender) = lock(&self.waiting).remove(&id) {
                let _ = sender.send(answer);
            }
            return;
        }
        let line = match message["method"].as_str() {
            Some("Runtime.consoleAPICalled") => console_line(&message["params"]),
            Some("Log.entryAdded") => log_entry(&message["params"]["entry"]),
            Some("Runtime.exceptionThrown") => exception(&message["params"]["exceptionDetails"]),
            _ => return,
        };
        let mut console = lock(&self.console);
        if console.len() == CONSOLE_LINES {
            console.pop_front();
        }
        console.push_back(line);
    }
}

fn console_line(params: &Value) -> String {
    let show = |arg: &Value| match &arg["value"] {
        Value::String(text) => text.clone(),
        Value::Null => arg["description"].as_str().unwrap_or("null").to_owned(),
        other => other.to_string(),
    };
    let args: Vec<_> = params["args"].as_array().into_iter().flatten().map(show).collect();
    format!("{}: {}", params["type"].as_str().unwrap_or("log"), args.join(" "))
}

/// A message of the browser itself. An example is a violation of the content security policy.
fn log_entry(entry: &Value) -> String {
    let part = |name: &str| entry[name].as_str().unwrap_or_default();
    format!("{} ({}): {} {}", part("level"), part("source"), part("text"), part("url"))
}

fn exception(details: &Value) -> String {
    let what = details["exception"]["description"].as_str().or(details["text"].as_str());
    format!("exception: {}", what.unwrap_or("unknown"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}

/// A session with one target. Clones share it.
#[derive(Clone, Debug)]
pub struct Session {
    cdp: Cdp,
    id: String,
    target: String,
}

impl Session {
    /// The target's id.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The last lines of the pages' consoles, as [`Cdp::console`].
    pub fn console(&self) -> String {
        self.cdp.console()
    }

    /// A command to the target.
    ///
    /// # Errors
    /// The browser refuses it, the target is gone, or it does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.cdp.call_in(Some(&self.id), method, params).await
    }

    /// Evaluates an expression and awaits a promise. The script counts as a user gesture, so that
    /// `play()` is allowed.
    ///
    /// # Errors
    /// It throws, or the target is gone.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
            "userGesture": true,
        });
        let mut reply = self.call("Runtime.evaluate", params).await?;
        if let Some(details) = reply.get("exceptionDetails") {
            bail!("{expression}\n  {}", exception(details));
        }
        Ok(reply["result"]["value"].take())
    }

    /// Waits until an expression is true. It may throw until then.
    ///
    /// # Errors
    /// The time ran out; the message has the last value or exception, and the console.
    pub async fn wait_for(&self, expression: &str, limit: Duration) -> Result<()> {
        let mut last = String::new();
        let wrapped = format!(
            "(async () => {{ \
             try {{ return !!({expression}) }} catch (e) {{ return String(e) }} \
             }})()"
        );
        let end = tokio::time::Instant::now() + limit;
        while tokio::time::Instant::now() < end {
            match self.evaluate(&wrapped).await {
                Ok(Value::Bool(true)) => return Ok(()),
                Ok(value) => last = value.to_string(),
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "waited {:.1} s for `{expression}`, last: {last}\n{}",
            limit.as_secs_f64(),
            self.cdp.console()
        )
    }

    /// A picture of the page, PNG.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let reply = self.call("Page.captureScreenshot", json!({ "format": "png" })).await?;
        Ok(base64::engine::general_purpose::STANDARD
            .decode(reply["data"].as_str().context("a picture")?)?)
    }

    /// Brings the page to the front. Chrome pauses a muted video in a hidden tab.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub async fn bring_to_front(&self) -> Result<()> {
        self.call("Page.bringToFront", json!({})).await.map(drop)
    }
}

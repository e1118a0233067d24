//! A wallet that listens.

use anyhow::Context as _;
use reqwest::{Method, Response};
use serde_json::Value;

use super::Holder;

/// An open stream of events.
pub struct Events {
    response: Response,
    read: String,
    /// Times that it was only told that somebody is still there.
    pub heartbeats: usize,
}

impl Holder {
    /// Listens for what waits.
    pub async fn listen(&self) -> anyhow::Result<Events> {
        let response = self.request(Method::GET, "/v1/me/events")?.send().await?;
        anyhow::ensure!(response.status() == 200, "{}", response.text().await?);
        let kind = response.headers().get("content-type").context("no content type")?;
        anyhow::ensure!(kind == "text/event-stream", "not a stream: {kind:?}");
        Ok(Events { response, read: String::new(), heartbeats: 0 })
    }
}

impl Events {
    /// What waits, as the next event says: pairs of an id and a state. `None` at the end of the stream.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<(String, String)>>> {
        loop {
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                if event == ":" {
                    self.heartbeats += 1;
                    continue;
                }
                let data = event.strip_prefix("event: waiting\ndata: ").context("another event")?;
                let told: Value = serde_json::from_str(data)?;
                let pair = |one: &Value| Some((one["id"].as_str()?.into(), one["state"].as_str()?.into()));
                let all = told["redemptions"].as_array().context("no list")?;
                return Ok(Some(all.iter().map(pair).collect::<Option<_>>().context("no id or state")?));
            }
            match self.response.chunk().await? {
                Some(bytes) => self.read += std::str::from_utf8(&bytes)?,
                None => return Ok(None),
            }
        }
    }

    /// What waits now.
    pub async fn told(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        self.next().await?.context("the stream ended")
    }
}

//! The other side: OpenCV in a process of its own, `tests/peer/opencv.py`, which answers a line with a line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;
use wallet_core::face::{Landmarks, TEMPLATE_LEN, Template};

use super::{Cost, Frame, Observed, variable, workspace};

/// OpenCV's process.
pub(super) struct Peer {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    version: String,
}

impl Peer {
    /// Starts OpenCV's process, hands over the frames and waits until it is ready.
    pub(super) fn start(cache: &Path, frames: &[Frame]) -> Result<Peer> {
        let script = workspace()?.join("tests/peer/opencv.py");
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(variable("ECERT_OPENCV_PYTHON")?);
        command.arg(script).arg("bench").arg(cache.join("peer"));
        for (index, frame) in frames.iter().enumerate() {
            let (file, picture) = (folder.path().join(format!("{index}.png")), &frame.picture);
            let (width, height) = (picture.width(), picture.height());
            image::save_buffer(&file, picture.rgb(), width, height, image::ColorType::Rgb8)?;
            command.arg(file);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().context("no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let mut peer = Peer { process, questions, answers, version: String::new() };
        // It is ready once it has read the pictures, so the folder may go.
        peer.version = peer.answer::<Ready>()?.version;
        Ok(peer)
    }

    /// One frame through OpenCV, which detects for itself and then aligns by our points.
    pub(super) fn observe(&mut self, index: usize, landmarks: &Landmarks) -> Result<Observed> {
        let question = json!([index, landmarks.points()]);
        writeln!(self.questions, "{question}").context("OpenCV's process has ended")?;
        let answer: Answer = self.answer()?;
        let cost =
            |[cpu, wall]: [u64; 2]| Cost { cpu: Duration::from_nanos(cpu), wall: Duration::from_nanos(wall) };
        let feature: [f32; TEMPLATE_LEN] = answer.feature.try_into().ok().context("128 numbers")?;
        Ok(Observed {
            costs: answer.costs.into_iter().map(|(stage, pair)| (stage, cost(pair))).collect(),
            template: Template::normalise(feature)?,
            landmarks: *landmarks,
        })
    }

    /// Ends the process, which stops at the end of its input; its version.
    pub(super) fn stop(self) -> Result<String> {
        let Peer { mut process, questions, answers, version } = self;
        drop((questions, answers));
        let status = process.wait()?;
        ensure!(status.success(), "OpenCV's process: {status}");
        Ok(version)
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T> {
        let line = self.answers.next().context("OpenCV's process has ended; what it said is above")??;
        serde_json::from_str(&line).with_context(|| format!("not an answer: {line}"))
    }
}

/// What the other side says first.
#[derive(Deserialize)]
struct Ready {
    version: String,
}

/// What the other side says to a frame; nanoseconds, CPU then wall.
#[derive(Deserialize)]
struct Answer {
    costs: BTreeMap<String, [u64; 2]>,
    feature: Vec<f32>,
}

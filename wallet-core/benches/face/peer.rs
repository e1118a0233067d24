//! The other sides, each in a process of its own that answers a line with a line: OpenCV (`tests/peer/opencv.py`) and
//! `face_recognition` (`tests/peer/dlib_peer.py`).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use wallet_core::face::{Embedding, Landmarks, Space};

use super::{Cost, Costs, Frame, variable, workspace};

/// A process on the other side.
pub(super) struct Peer {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    version: String,
}

impl Peer {
    /// Starts OpenCV's process, hands over the frames and waits until it is ready.
    pub(super) fn opencv(cache: &Path, frames: &[Frame]) -> Result<Peer> {
        let folder = tempfile::tempdir()?;
        let mut command = python("ECERT_OPENCV_PYTHON", "opencv.py")?;
        command.arg("bench").arg(cache.join("peer"));
        for (index, frame) in frames.iter().enumerate() {
            let (file, picture) = (folder.path().join(format!("{index}.png")), &frame.picture);
            let (width, height) = (picture.width(), picture.height());
            image::save_buffer(&file, picture.rgb(), width, height, image::ColorType::Rgb8)?;
            std::fs::write(folder.path().join(format!("{index}.jpg")), &frame.jpeg)?;
            command.arg(file);
        }
        Peer::start(command)
    }

    /// Starts `face_recognition`'s process; `None` when there is no Python for it.
    pub(super) fn face_recognition(frames: &[Frame]) -> Result<Option<Peer>> {
        let Ok(mut command) = python("ECERT_DLIB_PYTHON", "dlib_peer.py") else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        for (index, frame) in frames.iter().enumerate() {
            let file = folder.path().join(format!("{index}.jpg"));
            std::fs::write(&file, &frame.jpeg)?;
            command.arg(file);
        }
        Peer::start(command).map(Some)
    }

    /// It is ready once it has read the pictures, so that their folder may go.
    fn start(mut command: Command) -> Result<Peer> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().context("no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let mut peer = Peer { process, questions, answers, version: String::new() };
        peer.version = peer.answer::<Ready>()?.version;
        Ok(peer)
    }

    /// One frame through OpenCV, which detects for itself and then aligns by our points.
    pub(super) fn embed(&mut self, index: usize, landmarks: &Landmarks) -> Result<(Costs, Embedding)> {
        let answer = self.ask(&json!([index, landmarks.points()]))?;
        Ok((answer.costs(), Embedding::normalise(Space::UNKNOWN, &answer.feature)?))
    }

    /// One frame through `face_recognition`.
    pub(super) fn verify(&mut self, index: usize) -> Result<Costs> {
        Ok(self.ask(&json!(index))?.costs())
    }

    fn ask(&mut self, question: &Value) -> Result<Answer> {
        writeln!(self.questions, "{question}").context("the other side's process has ended")?;
        self.answer()
    }

    /// Ends the process, which stops at the end of its input; its version.
    pub(super) fn stop(self) -> Result<String> {
        let Peer { mut process, questions, answers, version } = self;
        drop((questions, answers));
        let status = process.wait()?;
        ensure!(status.success(), "the other side's process: {status}");
        Ok(version)
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T> {
        let ended = "the other side's process has ended; what it said is above";
        let line = self.answers.next().context(ended)??;
        serde_json::from_str(&line).with_context(|| format!("not an answer: {line}"))
    }
}

fn python(variable_name: &str, script: &str) -> Result<Command> {
    let mut command = Command::new(variable(variable_name)?);
    command.arg(workspace()?.join("tests/peer").join(script));
    Ok(command)
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
    #[serde(default)]
    feature: Vec<f32>,
}

impl Answer {
    fn costs(&self) -> Costs {
        let cost =
            |[cpu, wall]: [u64; 2]| Cost { cpu: Duration::from_nanos(cpu), wall: Duration::from_nanos(wall) };
        self.costs.iter().map(|(stage, pair)| (stage.clone(), cost(*pair))).collect()
    }
}

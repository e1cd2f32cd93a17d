//! One worker: its process, its pipes, and what it has said last.

use super::error::GymnasiumError;
use super::handshake::{Answer, BOOTSTRAP, Silence, shake_hands};
use super::interpreter::install_hint;
use std::ffi::OsString;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What is started as a worker.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Launcher {
    pub(super) fn python(program: PathBuf) -> Self {
        Self { program, arguments: vec!["-c".into(), BOOTSTRAP.into()] }
    }
}

/// How a reply begins: its tag and the length of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    pub(super) length: usize,
}

/// Why a worker gave no reply.
#[derive(Debug)]
pub(super) enum Failure {
    Died,
    Garbled(String),
}

type Pipes = (ChildStdin, BufReader<ChildStdout>);

/// A worker whose answer has not been read yet.
pub(super) struct Starting {
    process: Process,
    answer: Receiver<(Result<Answer, Silence>, Pipes)>,
    program: PathBuf,
}

/// A process that ends with its owner.
struct Process {
    child: Child,
    stderr: Tail,
}

pub(super) struct Worker {
    process: Process,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

/// Long enough for an orderly end, short enough to wait for.
const PATIENCE: Duration = Duration::from_secs(2);
const LAST_BYTES: usize = 8 << 10;
const LAST_LINES: usize = 20;
const REPLY_BUFFER: usize = 64 << 10;

impl Starting {
    /// Starts a process and sends it `request`, without waiting for an answer.
    pub(super) fn spawn(launcher: &Launcher, task: &str, request: Vec<u8>) -> Result<Self, GymnasiumError> {
        let mut command = Command::new(&launcher.program);
        command.args(&launcher.arguments).env("OMP_NUM_THREADS", "1").env("PYTHONIOENCODING", "utf-8");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|source| GymnasiumError::NoInterpreter {
            task: task.to_string(),
            python: launcher.program.clone(),
            source,
            hint: install_hint(),
        })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut requests), Some(stdout), Some(stderr)) = pipes else { unreachable!("all three are piped") };
        let (sender, answer) = mpsc::channel();
        // A read from a pipe cannot time out, but waiting for a thread can.
        thread::spawn(move || {
            let mut replies = BufReader::with_capacity(REPLY_BUFFER, stdout);
            let answer = shake_hands(&mut requests, &mut replies, &request);
            let _receiver_has_given_up = sender.send((answer, (requests, replies)));
        });
        let process = Process { child, stderr: Tail::of(stderr) };
        Ok(Self { process, answer, program: launcher.program.clone() })
    }

    /// Waits for the answer until `timeout` after `start`.
    pub(super) fn wait(
        mut self,
        task: &str,
        start: Instant,
        timeout: Duration,
    ) -> Result<(Worker, Answer), GymnasiumError> {
        let (task, python) = (task.to_string(), self.program);
        match self.answer.recv_timeout(timeout.saturating_sub(start.elapsed())) {
            Ok((Ok(answer), (requests, replies))) => {
                Ok((Worker { process: self.process, requests: Some(requests), replies }, answer))
            }
            Ok((Err(Silence::Garbage(found)), _)) => Err(GymnasiumError::NotAWorker { task, python, found }),
            Ok((Err(Silence::Ended), pipes)) => {
                drop(pipes);
                let (status, stderr) = self.process.last_words();
                Err(GymnasiumError::NoAnswer { task, python, status, stderr })
            }
            Err(_) => {
                self.process.kill();
                let (_, stderr) = self.process.last_words();
                Err(GymnasiumError::Timeout { task, python, seconds: timeout.as_secs_f64(), stderr })
            }
        }
    }
}

impl Worker {
    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        let Some(requests) = &mut self.requests else { return Err(Failure::Died) };
        requests.write_all(request).map_err(|_| Failure::Died)
    }

    /// Reads a reply into `payload`; `admits` says which headers can be right.
    pub(super) fn receive(
        &mut self,
        payload: &mut Vec<u8>,
        admits: impl Fn(Header) -> bool,
    ) -> Result<Header, Failure> {
        let mut bytes = [0; 8];
        self.replies.read_exact(&mut bytes).map_err(|_| Failure::Died)?;
        let [tag, 0, 0, 0, length @ ..] = bytes else { return Err(Failure::Garbled(format!("{bytes:?}"))) };
        let header = Header { tag, length: u32::from_le_bytes(length) as usize };
        if !admits(header) {
            return Err(Failure::Garbled(format!("{:?} with {} bytes", char::from(tag), header.length)));
        }
        payload.resize(header.length, 0);
        self.replies.read_exact(payload).map_err(|_| Failure::Died)?;
        Ok(header)
    }

    /// Lets the worker end by itself.
    pub(super) fn release(&mut self) {
        self.requests = None;
    }

    pub(super) fn kill(&mut self) {
        self.release();
        self.process.kill();
    }

    /// The exit status and the last lines of a worker that has died or is about to.
    pub(super) fn last_words(&mut self) -> (String, String) {
        self.release();
        self.process.last_words()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.release();
        let _status = self.process.end();
    }
}

impl Process {
    /// Waits for the end for a while, then enforces it.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let patient_until = Instant::now() + PATIENCE;
        while Instant::now() < patient_until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.child.kill()?;
        self.child.wait()
    }

    fn kill(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ended_before = self.child.kill();
        let _status = self.child.wait();
    }

    fn last_words(&mut self) -> (String, String) {
        let status = self.end().map_or_else(|error| format!("its status is unknown: {error}"), |s| s.to_string());
        (status, self.stderr.lines())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of what a process has written to its standard error, read as it comes so that the process never waits.
struct Tail {
    bytes: Arc<Mutex<Vec<u8>>>,
    complete: Receiver<()>,
}

impl Tail {
    fn of(mut stderr: ChildStderr) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (sender, complete) = mpsc::channel();
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                let Ok(mut kept) = kept.lock() else { break };
                kept.extend_from_slice(&chunk[..count]);
                let surplus = kept.len().saturating_sub(LAST_BYTES);
                kept.drain(..surplus);
            }
            drop(sender);
        });
        Self { bytes, complete }
    }

    /// The last lines, once all have come; children of the process may keep it open for longer than it is worth.
    fn lines(&self) -> String {
        let _closed_or_too_late = self.complete.recv_timeout(PATIENCE / 4);
        let Ok(bytes) = self.bytes.lock() else { return String::new() };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

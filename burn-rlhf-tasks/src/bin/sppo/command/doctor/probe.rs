//! The check of one backend, in a process of its own: a broken driver can end a process in ways that nothing catches.

use std::{
    io::Read,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use serde::{Deserialize, Serialize};

use crate::{arguments::DeviceArguments, device, failure::Failure};

/// A GPU backend compiles its kernels first.
const PATIENCE: Duration = Duration::from_secs(300);
/// Rows and columns of the product that is timed.
const SIDE: usize = 1024;

/// What a backend that ran has computed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    pub device: String,
    pub checks: Vec<Check>,
    /// Seconds of the product of two square matrices with 1024 rows.
    pub matmul_seconds: f64,
    /// Seconds of everything, the start of the device included.
    pub seconds: f64,
}

/// The largest difference from numbers that are known.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    /// `None`: a number was not finite.
    pub error: Option<f64>,
    pub allowed: f64,
}

impl Check {
    fn new(name: &str, found: TensorData, expected: &[f64], allowed: f64) -> Self {
        let found: Vec<f64> = found.iter::<f64>().collect();
        let error = match found.len() == expected.len() && found.iter().all(|x| x.is_finite()) {
            true => Some(found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)),
            false => None,
        };
        Self { name: name.into(), error, allowed }
    }

    pub fn passed(&self) -> bool {
        self.error.is_some_and(|error| error <= self.allowed)
    }
}

impl Probe {
    /// Whether the backend works: what it computes fast and right, or what is wrong.
    pub fn verdict(&self) -> Result<String, String> {
        let wrong: Vec<String> = self.checks.iter().filter(|check| !check.passed()).map(wrong).collect();
        if !wrong.is_empty() {
            return Err(format!("{}: {}", self.device, wrong.join("; ")));
        }
        let names: Vec<&str> = self.checks.iter().map(|check| check.name.as_str()).collect();
        let rate = 2.0 * (SIDE as f64).powi(3) / self.matmul_seconds / 1e9;
        Ok(format!("{}: {} right, {rate:.0} GFLOP/s in f32, {:.1} s", self.device, names.join(", "), self.seconds))
    }
}

fn wrong(check: &Check) -> String {
    match check.error {
        Some(error) => format!("{} is wrong by {error:.2e} (allowed {:.0e})", check.name, check.allowed),
        None => format!("{} is not finite", check.name),
    }
}

/// Checks a backend in this process.
pub fn probe(chosen: &DeviceArguments) -> Result<Probe, Failure> {
    let start = Instant::now();
    let (backend, device) = device::select(chosen)?;
    let mut checks = products(&device);
    checks.extend(log_probabilities(&device));
    let matmul_seconds = time_matmul(&device);
    Ok(Probe { device: name(&backend, &device), checks, matmul_seconds, seconds: start.elapsed().as_secs_f64() })
}

fn name(backend: &str, device: &Device) -> String {
    #[cfg(any(
        feature = "cuda",
        feature = "rocm",
        feature = "metal",
        feature = "vulkan",
        feature = "wgpu",
        feature = "cpu"
    ))]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    match backend {
        "flex" => format!("{} threads", rayon::current_num_threads()),
        _ => format!("{device:?}"),
    }
}

/// A small whole number that depends on a place; products of such are exact in every number format.
fn whole(row: usize, column: usize, salt: usize) -> f64 {
    ((row * 7 + column * 13 + salt * 5) % 11) as f64 - 5.0
}

fn whole_matrix(rows: usize, columns: usize, salt: usize, device: &Device) -> Tensor<2> {
    let numbers = (0..rows * columns).map(|place| whole(place / columns, place % columns, salt) as f32);
    Tensor::from_data(TensorData::new(numbers.collect::<Vec<f32>>(), [rows, columns]), device)
}

/// `c = a · b`, and the gradient of `sum(c * weight)` by `a`, which is `weight · bᵀ`.
fn products(device: &Device) -> Vec<Check> {
    let (rows, inner, columns) = (67, 96, 80);
    let device = device.clone().autodiff();
    let a = whole_matrix(rows, inner, 1, &device).require_grad();
    let b = whole_matrix(inner, columns, 2, &device);
    let weight = whole_matrix(rows, columns, 3, &device);
    let c = a.clone().matmul(b);
    let gradients = (c.clone() * weight).sum().backward();
    let expected = |row: usize, column: usize| (0..inner).map(|k| whole(row, k, 1) * whole(k, column, 2)).sum();
    let expected_gradient =
        |row: usize, k: usize| (0..columns).map(|column| whole(row, column, 3) * whole(k, column, 2)).sum();
    let table = |columns: usize, number: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..rows * columns).map(|place| number(place / columns, place % columns)).collect()
    };
    let gradient = a.grad(&gradients).map_or_else(|| TensorData::from([f32::NAN]), Tensor::into_data);
    vec![
        Check::new("matmul", c.into_data(), &table(columns, &expected), 0.0),
        Check::new("backward", gradient, &table(inner, &expected_gradient), 0.0),
    ]
}

/// Log-probabilities over a vocabulary, and their gradient: the reductions that some drivers get wrong.
fn log_probabilities(device: &Device) -> Vec<Check> {
    let (rows, vocabulary) = (3, 8192);
    let score = |row: usize, token: usize| ((row * 31 + token * 17) % 97) as f64 / 16.0 - 3.0;
    let target = |row: usize| (row * 2741 + 5) % vocabulary;
    let scores: Vec<f32> =
        (0..rows * vocabulary).map(|place| score(place / vocabulary, place % vocabulary) as f32).collect();
    let targets: Vec<i64> = (0..rows).map(|row| target(row) as i64).collect();
    let device = device.clone().autodiff();
    let scores = Tensor::<2>::from_data(TensorData::new(scores, [rows, vocabulary]), &device).require_grad();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [rows, 1]), &device);
    let log_prob = log_softmax(scores.clone(), 1).gather(1, targets);
    let gradients = log_prob.clone().sum().backward();
    let totals: Vec<f64> =
        (0..rows).map(|row| (0..vocabulary).map(|token| score(row, token).exp()).sum::<f64>().ln()).collect();
    let expected: Vec<f64> = (0..rows).map(|row| score(row, target(row)) - totals[row]).collect();
    let expected_gradient: Vec<f64> = (0..rows * vocabulary)
        .map(|place| (place / vocabulary, place % vocabulary))
        .map(|(row, token)| f64::from(u8::from(token == target(row))) - (score(row, token) - totals[row]).exp())
        .collect();
    let gradient = scores.grad(&gradients).map_or_else(|| TensorData::from([f32::NAN]), Tensor::into_data);
    vec![
        Check::new("log-softmax", log_prob.into_data(), &expected, 1e-4),
        Check::new("its backward", gradient, &expected_gradient, 1e-5),
    ]
}

/// Seconds of one product, the best of some after one that compiles.
fn time_matmul(device: &Device) -> f64 {
    let (a, b) = (whole_matrix(SIDE, SIDE, 1, device), whole_matrix(SIDE, SIDE, 2, device));
    let product = || {
        let start = Instant::now();
        // Reading one number back waits for all of them.
        let _ = a.clone().matmul(b.clone()).slice([0..1, 0..1]).into_data();
        start.elapsed().as_secs_f64()
    };
    product();
    (0..5).map(|_| product()).fold(f64::INFINITY, f64::min)
}

/// Checks a backend in a child process.
pub fn probe_apart(backend: &str, threads: Option<usize>) -> Result<Probe, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program cannot be started again: {error}"))?;
    let mut command = Command::new(program);
    command.args(["doctor", "--probe", "--backend", backend]);
    if let Some(threads) = threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let output = ask(&mut command, PATIENCE)?;
    serde_json::from_str(&output).map_err(|error| format!("its check said what was not expected: {error}"))
}

/// What a child process prints, or how it ended.
fn ask(command: &mut Command, patience: Duration) -> Result<String, String> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("its check could not be started: {error}"))?;
    let (output, errors) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < patience => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // It may have ended by itself just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", patience.as_secs()));
            }
            Err(error) => return Err(format!("its check was lost: {error}")),
        }
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    match status.success() {
        true => Ok(text(output)),
        false => Err(reason(status, &text(errors))),
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before a failure is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How a process ended, with the end of what it said.
fn reason(status: ExitStatus, errors: &str) -> String {
    const LINES: usize = 6;
    let said: Vec<&str> =
        errors.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note:")).collect();
    let said = said[said.len().saturating_sub(LINES)..].join(" | ");
    match said.is_empty() {
        true => format!("its check ended with {status}"),
        false => format!("its check ended with {status}: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(backend: &str) -> DeviceArguments {
        DeviceArguments { backend: Some(backend.into()), threads: None }
    }

    #[test]
    fn flex_computes_what_is_known() {
        let probe = probe(&on("flex")).unwrap();
        let verdict = probe.verdict().unwrap();
        assert!(verdict.contains("matmul, backward, log-softmax, its backward right"), "{verdict}");
        let text = serde_json::to_string(&probe).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), probe);
    }

    #[test]
    fn wrong_numbers_are_told() {
        let check = |found: &[f32]| Check::new("matmul", TensorData::from(found), &[1.0, 2.0], 0.1);
        let probe = |found: &[f32]| Probe {
            device: "X1".into(),
            checks: vec![check(found)],
            matmul_seconds: 0.1,
            seconds: 1.0,
        };
        assert_eq!(probe(&[1.0, 2.05]).verdict().unwrap(), "X1: matmul right, 21 GFLOP/s in f32, 1.0 s");
        assert_eq!(probe(&[1.0, 3.5]).verdict().unwrap_err(), "X1: matmul is wrong by 1.50e0 (allowed 1e-1)");
        for found in [&[1.0, f32::NAN][..], &[1.0]] {
            assert_eq!(probe(found).verdict().unwrap_err(), "X1: matmul is not finite");
        }
    }

    #[test]
    fn a_backend_that_is_not_there_is_an_error() {
        assert!(matches!(probe(&on("abacus")), Err(Failure::Usage(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_check_that_crashes_hangs_or_panics_is_reported() {
        let shell = |script: &str, patience| ask(Command::new("sh").args(["-c", script]), patience);
        let long = Duration::from_secs(60);
        assert_eq!(shell("echo fine", long).unwrap(), "fine\n");
        let crash = shell("echo loading driver >&2; kill -SEGV $$", long).unwrap_err();
        assert!(crash.contains("signal: 11") && crash.contains("loading driver"), "{crash}");
        let panic = shell("echo 'no adapter' >&2; echo 'note: run with' >&2; exit 101", long).unwrap_err();
        assert!(panic.ends_with("exit status: 101: no adapter"), "{panic}");
        let much = shell("head -c 1000000 /dev/zero >&2; exit 1", long).unwrap_err();
        assert!(much.contains("exit status: 1"));
        assert_eq!(shell("exec sleep 60", Duration::from_millis(50)).unwrap_err(), "no answer within 0 s");
        let missing = ask(&mut Command::new("/nowhere/sppo"), long).unwrap_err();
        assert!(missing.contains("could not be started"), "{missing}");
    }
}

mod probe;

use std::path::Path;

use burn_rlhf_tasks::model::hub::{Hub, HubError, HubSettings};
use burn_sppo::environment::gymnasium::{GymnasiumEnvironments, GymnasiumOptions, find_python};

use crate::{
    arguments::{DeviceArguments, DoctorArguments},
    console::Console,
    device,
    failure::Failure,
    system::{self, Machine},
};

pub fn run(arguments: DoctorArguments, chosen: &DeviceArguments, console: Console) -> Result<(), Failure> {
    if arguments.probe {
        let probe = serde_json::to_string(&probe::probe(chosen)?).map_err(Failure::failed)?;
        console.result(&probe);
        return Ok(());
    }
    let compiled = device::compiled();
    let backends = match &chosen.backend {
        Some(backend) if compiled.contains(&backend.as_str()) => vec![backend.as_str()],
        Some(backend) => return device::open(backend).map(|_| ()),
        None => compiled,
    };
    let line = |topic: &str, text: &str| console.result(&format!("{topic:<10} {text}"));
    line("program", &program());
    machine(&line);
    line("folder", &folder(&arguments.output));
    line("hub", &hub(arguments.offline));
    line("gymnasium", &gymnasium());
    let mut broken = Vec::new();
    for backend in &backends {
        match probe::probe_apart(backend, chosen.threads).and_then(|probe| probe.verdict()) {
            Ok(verdict) => line(backend, &format!("works: {verdict}")),
            Err(reason) => {
                line(backend, &format!("DOES NOT WORK: {reason}"));
                broken.push(*backend);
            }
        }
    }
    match (backends.is_empty(), broken.is_empty()) {
        (true, _) => Err(Failure::failed("this program was built without any backend: build it with one")),
        (false, true) => Ok(()),
        (false, false) => Err(Failure::failed(format!(
            "{} of {} backends do not work: {}. Use another with --backend, or look at its driver",
            broken.len(),
            backends.len(),
            broken.join(", ")
        ))),
    }
}

fn program() -> String {
    format!(
        "sppo {} for {}, with burn {}, built by rustc {}",
        env!("CARGO_PKG_VERSION"),
        env!("SPPO_TARGET"),
        env!("SPPO_BURN"),
        env!("SPPO_RUSTC")
    )
}

fn machine(line: &dyn Fn(&str, &str)) {
    let machine = Machine::read();
    let memory = match (machine.memory, machine.available) {
        (Some(all), Some(free)) => format!(", {} memory ({} free)", gigabytes(all), gigabytes(free)),
        (Some(all), None) => format!(", {} memory", gigabytes(all)),
        (None, _) => String::new(),
    };
    line("system", &format!("{}, {} cores{memory}", machine.system, machine.cores));
    let mut parts: Vec<String> = machine.processor.into_iter().collect();
    let features = system::processor_features().into_iter();
    parts.extend(features.map(|(name, there)| format!("{name} {}", if there { "yes" } else { "no" })));
    if !parts.is_empty() {
        line("processor", &parts.join(", "));
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Room in the folder of runs and whether it can be written; of the nearest folder above it while it is not there.
fn folder(output: &Path) -> String {
    let whole = std::path::absolute(output).unwrap_or_else(|_| output.to_path_buf());
    let Some(there) = whole.ancestors().find(|path| path.exists()) else {
        return format!("{}: not there", output.display());
    };
    let room = match system::free(there) {
        Ok(free) => format!("{} free", gigabytes(free)),
        Err(error) => format!("free space not known ({error})"),
    };
    let writable = match system::try_writing(there) {
        Ok(()) => "can be written".to_owned(),
        Err(error) => format!("CANNOT BE WRITTEN ({error}): choose another with --output"),
    };
    match there == whole {
        true => format!("{}: {room}, {writable}", output.display()),
        false => format!("{} (not there yet, {} is): {room}, {writable}", output.display(), there.display()),
    }
}

/// What runs the environments that are not native.
fn gymnasium() -> String {
    match GymnasiumEnvironments::start("CartPole-v1", &GymnasiumOptions::new(1)) {
        Ok(environments) => {
            let versions = environments.versions().sentence().unwrap_or_else(|| "works".into());
            format!("{versions} ({})", find_python(None).display())
        }
        Err(error) => format!("not there, and needed for all but classic control: {error}"),
    }
}

fn hub(offline: bool) -> String {
    let settings = match HubSettings::from_env() {
        Ok(settings) => settings,
        Err(error) => return error.to_string(),
    };
    let about = format!(
        "cache {}, {}",
        settings.cache.display(),
        if settings.token.is_some() { "a token is set" } else { "no token" }
    );
    let endpoint = settings.endpoint.clone();
    match (settings.offline, offline) {
        (true, _) => format!("{endpoint}: not asked, since HF_HUB_OFFLINE is set; {about}"),
        (false, true) => format!("{endpoint}: not asked; {about}"),
        (false, false) => format!("{}; {about}", reach(&endpoint, settings)),
    }
}

fn reach(endpoint: &str, settings: HubSettings) -> String {
    let token = settings.token.is_some();
    let start = std::time::Instant::now();
    match Hub::new(settings).and_then(|hub| hub.reach()) {
        Ok(()) => format!("{endpoint}: answers in {:.2} s", start.elapsed().as_secs_f64()),
        Err(HubError::Status { status: 401, .. }) if token => format!("{endpoint}: answers, but refuses the token"),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_knows_what_it_was_built_of() {
        for (what, value) in
            [("target", env!("SPPO_TARGET")), ("rustc", env!("SPPO_RUSTC")), ("burn", env!("SPPO_BURN"))]
        {
            assert!(value != "unknown" && program().contains(value), "{what}: {}", program());
        }
        assert!(env!("SPPO_BURN").starts_with("0."));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        let said = folder(&above.path().join("a/b"));
        assert!(said.contains("not there yet") && said.contains("free, can be written"), "{said}");
        assert!(!above.path().join("a").exists());
        assert!(!folder(above.path()).contains("not there"));
    }

    #[test]
    fn a_folder_below_a_file_cannot_be_written() {
        let above = tempfile::tempdir().unwrap();
        std::fs::write(above.path().join("file"), "").unwrap();
        let said = folder(&above.path().join("file/runs"));
        assert!(said.contains("CANNOT BE WRITTEN"), "{said}");
    }
}

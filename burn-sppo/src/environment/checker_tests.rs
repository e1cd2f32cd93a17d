use rand::RngExt;

use super::{
    ActionSpace, Actions, CheckOptions, End, EnvironmentError, EnvironmentSpec, Episode, Finding, MakeOptions,
    NATIVE_IDS, ObservationKind, Observations, Step, VectorEnvironment, check, make,
};
use crate::run::Streams;
use crate::run::{Purpose, Stream};

/// What a faulty environment does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Undescribed,
    StepsBeforeReset,
    FailsReset,
    FailsStep,
    ShortObservations,
    OtherKind,
    ShortRewards,
    RewardNotFinite,
    ObservationNotFinite,
    FinalNotFinite,
    Frozen,
    Endless,
    Unreported,
    GlobalNoise,
    RestoresWrongly,
    FailsRestore,
    AcceptsAll,
}

/// Two environments of two numbers, whose episodes take ten steps, with one fault.
struct Faulty {
    fault: Fault,
    spec: EnvironmentSpec,
    stream: Option<Stream>,
    global: Stream,
    count: u64,
    observations: Vec<f32>,
    finals: Vec<f32>,
    double: Vec<f64>,
    rewards: Vec<f32>,
    ends: Vec<Option<End>>,
    episodes: Vec<Option<Episode>>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let features = if fault == Fault::Undescribed { 0 } else { 2 };
        let spec = EnvironmentSpec {
            id: "Faulty".into(),
            num_envs: 2,
            observation_shape: vec![features],
            observation_kind: ObservationKind::F32,
            action_space: ActionSpace::Discrete { n: 2 },
        };
        Self {
            fault,
            spec,
            stream: (fault == Fault::StepsBeforeReset).then(|| Streams::new(0).stream(Purpose::Environment, 0, 0)),
            global: Streams::new(1).stream(Purpose::Environment, 0, 0),
            count: 0,
            observations: vec![0.0; 4],
            finals: vec![0.0; 4],
            double: vec![0.0; 4],
            rewards: vec![0.0; 2],
            ends: vec![None; 2],
            episodes: vec![None; 2],
        }
    }

    fn show(&self) -> Observations<'_> {
        match self.fault {
            Fault::ShortObservations => Observations::F32(&self.observations[1..]),
            Fault::OtherKind => Observations::F64(&self.double),
            _ => Observations::F32(&self.observations),
        }
    }

    fn failure(&self) -> EnvironmentError {
        EnvironmentError::RestartUnsupported { id: self.spec.id.clone() }
    }
}

impl VectorEnvironment for Faulty {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        if self.fault == Fault::FailsReset {
            return Err(self.failure());
        }
        self.stream = Some(Streams::new(seed.unwrap_or(0)).stream(Purpose::Environment, 0, 0));
        self.count = 0;
        self.observations.fill(0.0);
        Ok(self.show())
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let Some(stream) = self.stream.as_mut() else {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        };
        if self.fault != Fault::AcceptsAll {
            self.spec.check_actions(actions)?;
        }
        let stream = if self.fault == Fault::GlobalNoise { &mut self.global } else { stream };
        if self.fault != Fault::Frozen {
            self.observations.iter_mut().for_each(|x| *x = stream.random());
        }
        self.rewards.iter_mut().for_each(|x| *x = stream.random());
        self.count += 1;
        let end = (self.count.is_multiple_of(10) && self.fault != Fault::Endless).then_some(End::Terminated);
        self.ends.fill(end);
        let episode = end.filter(|_| self.fault != Fault::Unreported);
        self.episodes.fill(episode.map(|_| Episode { episode_return: 1.0, length: 10 }));
        if self.count == 15 {
            match self.fault {
                Fault::FailsStep => return Err(self.failure()),
                Fault::RewardNotFinite => self.rewards[1] = f32::NAN,
                Fault::ObservationNotFinite => self.observations[3] = f32::INFINITY,
                _ => {}
            }
        }
        if self.count == 20 && self.fault == Fault::FinalNotFinite {
            self.finals[0] = f32::NAN;
        }
        let rewards = if self.fault == Fault::ShortRewards { &self.rewards[1..] } else { &self.rewards };
        Ok(Step {
            observations: self.show(),
            rewards,
            ends: &self.ends,
            final_observations: match self.fault {
                Fault::OtherKind => Observations::F64(&self.double),
                _ => Observations::F32(&self.finals),
            },
            episodes: &self.episodes,
        })
    }

    fn save(&self) -> Option<Vec<u8>> {
        matches!(self.fault, Fault::RestoresWrongly | Fault::FailsRestore).then(Vec::new)
    }

    fn restore(&mut self, _state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        if self.fault == Fault::FailsRestore { Err(self.failure()) } else { Ok(self.show()) }
    }
}

fn found(fault: Fault) -> Vec<Finding> {
    check(&mut Faulty::new(fault), &CheckOptions { steps: 50, seed: 3 })
}

macro_rules! finds {
    ($($fault:ident => $finding:pat),* $(,)?) => {
        $(
            let findings = found(Fault::$fault);
            assert!(matches!(findings.as_slice(), [$finding]), "{:?}: {findings:?}", Fault::$fault);
            let sentence = findings[0].to_string();
            assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{sentence}");
        )*
    };
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    assert!(found(Fault::None).is_empty());
    finds! {
        Undescribed => Finding::Spec(EnvironmentError::ZeroSize { .. }),
        StepsBeforeReset => Finding::StepBeforeReset,
        FailsReset => Finding::Reset(_),
        FailsStep => Finding::Step { step: 14, .. },
        ShortObservations => Finding::Count { what: "observations", expected: 4, found: 3, .. },
        OtherKind => Finding::Kind { .. },
        ShortRewards => Finding::Count { what: "rewards", expected: 2, found: 1, .. },
        RewardNotFinite => Finding::NotFinite { env: 1, what: "reward", entry: 0, .. },
        ObservationNotFinite => Finding::NotFinite { env: 1, what: "observation", entry: 1, .. },
        FinalNotFinite => Finding::NotFinite { env: 0, what: "final observation", entry: 0, .. },
        Frozen => Finding::Frozen,
        Endless => Finding::Endless { steps: 50 },
        Unreported => Finding::NoEpisodes,
        GlobalNoise => Finding::NotReproducible { .. },
        RestoresWrongly => Finding::RestoredDiffers { step: 0 },
        FailsRestore => Finding::Restore(_),
    }
    let findings = found(Fault::AcceptsAll);
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings.iter().all(|finding| matches!(finding, Finding::AcceptsWrongActions { .. })), "{findings:?}");
}

#[test]
fn a_sentence_says_where_and_what_to_do() {
    assert_eq!(
        found(Fault::RewardNotFinite)[0].to_string(),
        "After step 14, entry 0 of the reward of environment 1 is NaN: it must be a finite number."
    );
    assert!(found(Fault::Endless)[0].to_string().contains("give it a time limit"));
}

#[test]
fn the_native_tasks_have_no_faults() {
    for id in NATIVE_IDS {
        let mut environments = make(id, &MakeOptions::new(2)).unwrap();
        let findings = check(&mut *environments, &CheckOptions::default());
        assert!(findings.is_empty(), "{id}: {findings:?}");
    }
}

#[test]
fn spaces_with_little_in_them_are_mentioned() {
    let mut faulty = Faulty::new(Fault::None);
    faulty.spec.action_space = ActionSpace::MultiDiscrete { sizes: vec![3, 1] };
    let findings = check(&mut faulty, &CheckOptions::default());
    assert!(matches!(findings.as_slice(), [Finding::NoChoice { dimension: 1 }]), "{findings:?}");
    faulty = Faulty::new(Fault::None);
    faulty.spec.action_space = ActionSpace::Continuous { low: vec![-1.0], high: vec![f32::INFINITY] };
    let findings = check(&mut faulty, &CheckOptions::default());
    assert!(matches!(findings.as_slice(), [Finding::UnboundedActions { dimension: 0, .. }]), "{findings:?}");
}

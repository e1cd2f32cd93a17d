//! How policies are made, and what is refused.

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};

use super::{ActionBuffer, Activation, ActorCritic, ControlPolicy, PolicyConfig, PolicyError, PolicyKind};
use crate::distribution::{ActionDistribution, DistributionError, Execution};
use crate::environment::{ActionSpace, Actions};
use crate::loss::Algorithm;
use crate::run::{Purpose, Stream, Streams};

fn stream(lane: u64) -> Stream {
    Streams::new(3).stream(Purpose::Initialization, 0, lane)
}

fn init(config: &PolicyConfig, shape: &[usize], space: &ActionSpace) -> Result<ControlPolicy, PolicyError> {
    config.init(shape, space, &mut stream(0), &Device::flex())
}

fn numbers(width: usize) -> ActionSpace {
    ActionSpace::Continuous { low: vec![-2.0; width], high: vec![1.0; width] }
}

/// Shapes and values of the parameters, in order.
#[derive(Default)]
struct Parameters(Vec<(Vec<usize>, Vec<f32>)>);

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        self.0.push((tensor.dims().to_vec(), tensor.into_data().try_into_vec().unwrap()));
    }
}

fn parameters(policy: &ControlPolicy) -> Vec<(Vec<usize>, Vec<f32>)> {
    let mut parameters = Parameters::default();
    policy.visit(&mut parameters);
    parameters.0
}

/// Checks that the vectors of the shorter side of `[rows, columns]` are orthogonal and as long as `gain`.
fn assert_orthogonal(values: &[f32], rows: usize, columns: usize, gain: f64) {
    let transposed = rows > columns;
    let (count, length) = (rows.min(columns), rows.max(columns));
    let entry = |vector: usize, i: usize| {
        f64::from(if transposed { values[i * columns + vector] } else { values[vector * columns + i] })
    };
    for a in 0..count {
        for b in 0..=a {
            let product: f64 = (0..length).map(|i| entry(a, i) * entry(b, i)).sum();
            let expected = if a == b { gain * gain } else { 0.0 };
            assert!((product - expected).abs() < 1e-5 * gain * gain, "{rows} x {columns}: {product}, not {expected}");
        }
    }
}

#[test]
fn layers_start_orthogonal_with_their_gains_and_biases_at_0() {
    let trunk = 2f64.sqrt();
    let image = PolicyConfig::new().with_kind(PolicyKind::Cnn);
    let cases = [
        (PolicyConfig::new(), &[27][..], vec![trunk, trunk, trunk, trunk, 0.01, 1.0]),
        (image, &[1, 36, 44], vec![trunk, trunk, trunk, trunk, 0.01, 1.0]),
    ];
    for (config, shape, gains) in cases {
        let policy = init(&config.with_log_std_init(-0.5), shape, &numbers(3)).unwrap();
        let mut gains = gains.into_iter();
        for (shape, values) in parameters(&policy) {
            match shape[..] {
                // PyTorch's layout and that of linear layers here differ by a transposition, which changes nothing.
                [rows, columns] => assert_orthogonal(&values, rows, columns, gains.next().unwrap()),
                [rows, a, b, c] => assert_orthogonal(&values, rows, a * b * c, gains.next().unwrap()),
                [3] if values[0] != 0.0 => assert_eq!(values, [-0.5; 3]),
                _ => assert!(values.iter().all(|x| *x == 0.0), "{shape:?}"),
            }
        }
        assert_eq!(gains.next(), None);
    }
}

#[test]
fn without_orthogonality_weights_and_biases_fill_the_range_of_pytorch() {
    let config = PolicyConfig::new().with_ortho_init(false).with_hidden(vec![100]).with_activation(Activation::Relu);
    let policy = init(&config, &[25], &ActionSpace::Discrete { n: 40 }).unwrap();
    let fan_in = [25, 25, 25, 25, 100, 100, 100, 100];
    for ((shape, values), fan_in) in parameters(&policy).into_iter().zip(fan_in) {
        let bound = (fan_in as f32).sqrt().recip();
        let largest = values.iter().fold(0.0, |a: f32, x| a.max(x.abs()));
        assert!(largest <= bound, "{shape:?}: {largest}");
        if values.len() >= 40 {
            assert!(largest > 0.8 * bound, "{shape:?}: {largest}");
            let variance = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
            assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.5, "{shape:?}: {variance}");
        }
    }
}

#[test]
fn the_stream_decides_the_weights() {
    let make = |lane| {
        let space = ActionSpace::Discrete { n: 2 };
        let policy = PolicyConfig::new().init(&[4], &space, &mut stream(lane), &Device::flex());
        parameters(&policy.unwrap())
    };
    assert_eq!(make(0), make(0));
    assert_ne!(make(0), make(1));
}

#[test]
fn every_action_space_has_its_distribution() {
    let (plain, device) = (PolicyConfig::new(), Device::flex());
    let cases = [
        (plain.clone(), ActionSpace::Discrete { n: 5 }, "categorical", Execution::Index, true),
        (plain.clone(), ActionSpace::MultiDiscrete { sizes: vec![3, 4] }, "multi-categorical", Execution::Index, true),
        (plain.clone(), ActionSpace::MultiBinary { n: 3 }, "Bernoulli", Execution::Index, false),
        (plain.clone(), numbers(2), "diagonal Gaussian", Execution::Clip, false),
        (plain.clone().with_squash(true), numbers(2), "squashed Gaussian", Execution::Squash, false),
        (plain.with_use_sde(true), numbers(2), "state-dependent Gaussian", Execution::Clip, false),
    ];
    for (config, space, name, execution, has_other) in cases {
        let policy = init(&config, &[2, 3], &space).unwrap();
        let (distribution, value) = policy.forward(Tensor::ones([4, 6], &device));
        assert_eq!(
            (distribution.name(), distribution.execution(), distribution.has_other()),
            (name, execution, has_other)
        );
        assert_eq!(value.dims(), [4]);
        let mut streams: Vec<Stream> = (0..4).map(stream).collect();
        let drawn = distribution.sample(&mut streams).unwrap();
        assert_eq!((drawn.dims(), distribution.mode().dims()), ([4, space.width()], [4, space.width()]));
        assert_eq!(distribution.log_prob(drawn).dims(), [4]);
        for algorithm in Algorithm::ALL {
            let trains = has_other || !algorithm.is_symmetric();
            assert_eq!(policy.check_algorithm(algorithm).is_ok(), trains, "{algorithm} {name}");
            assert_eq!(distribution.check_algorithm(algorithm).is_ok(), trains, "{algorithm} {name}");
        }
    }
}

#[test]
fn exploration_is_kept_until_it_is_emptied() {
    let observations = || Tensor::ones([2, 6], &Device::flex());
    let sample = |config: PolicyConfig, kept: &mut Option<_>, lane: u64| -> Vec<f32> {
        let distribution: ActionDistribution = init(&config, &[6], &numbers(2)).unwrap().distribution(observations());
        let mut streams = [stream(lane), stream(lane + 1)];
        distribution.sample_exploring(kept, &mut streams).unwrap().into_data().try_into_vec().unwrap()
    };
    let mut kept = None;
    let first = sample(PolicyConfig::new().with_use_sde(true), &mut kept, 0);
    assert_eq!(sample(PolicyConfig::new().with_use_sde(true), &mut kept, 8), first);
    kept = None;
    assert_ne!(sample(PolicyConfig::new().with_use_sde(true), &mut kept, 8), first);
    let mut untouched = None;
    assert_ne!(sample(PolicyConfig::new(), &mut untouched, 0), sample(PolicyConfig::new(), &mut untouched, 8));
    assert!(untouched.is_none());
}

#[test]
fn what_cannot_be_made_is_refused() {
    let (plain, choice) = (PolicyConfig::new(), ActionSpace::Discrete { n: 2 });
    let image = plain.clone().with_kind(PolicyKind::Cnn);
    let open = ActionSpace::Continuous { low: vec![-1.0, f32::NEG_INFINITY], high: vec![1.0, 1.0] };
    let uneven = ActionSpace::Continuous { low: vec![-1.0], high: vec![] };
    let none = |space: &ActionSpace| PolicyError::NoActions { space: format!("{space:?}") };
    let [no_choice, no_dimension, empty_dimension, no_number] = [
        ActionSpace::Discrete { n: 0 },
        ActionSpace::MultiDiscrete { sizes: vec![] },
        ActionSpace::MultiDiscrete { sizes: vec![2, 0] },
        numbers(0),
    ];
    let cases = [
        (plain.clone().with_hidden(vec![8, 0]), vec![3], &choice, PolicyError::Width { name: "hidden layer" }),
        (plain.clone(), vec![3, 0], &choice, PolicyError::Width { name: "observation" }),
        (image.clone(), vec![0, 84, 84], &choice, PolicyError::Width { name: "image" }),
        (image.clone(), vec![84, 84], &choice, PolicyError::NotAnImage { shape: vec![84, 84] }),
        (image, vec![1, 84, 35], &choice, PolicyError::ImageTooSmall { height: 84, width: 35 }),
        (plain.clone(), vec![3], &no_choice, none(&no_choice)),
        (plain.clone(), vec![3], &no_dimension, none(&no_dimension)),
        (plain.clone(), vec![3], &empty_dimension, none(&empty_dimension)),
        (plain.clone(), vec![3], &no_number, none(&no_number)),
        (plain.clone(), vec![3], &uneven, PolicyError::Bounds { low: 1, high: 0 }),
        (
            plain.clone().with_use_sde(true),
            vec![3],
            &choice,
            PolicyError::NeedsContinuousActions { setting: "use_sde", space: format!("{choice:?}") },
        ),
        (
            plain.clone().with_squash(true),
            vec![3],
            &open,
            PolicyError::Unbounded { dimension: 1, low: f32::NEG_INFINITY, high: 1.0 },
        ),
        (
            plain.clone().with_squash(true).with_use_sde(true),
            vec![3],
            &numbers(1),
            PolicyError::SquashedStateDependentNoise,
        ),
        (
            plain.with_log_std_init(f64::INFINITY),
            vec![3],
            &numbers(1),
            PolicyError::NotFinite { name: "log_std_init", value: f64::INFINITY },
        ),
    ];
    for (config, shape, space, expected) in cases {
        assert_eq!(init(&config, &shape, space).unwrap_err(), expected);
    }
}

#[test]
fn the_refusal_of_a_symmetric_algorithm_points_to_discretisation() {
    let error = init(&PolicyConfig::new(), &[3], &numbers(1)).unwrap().check_algorithm(Algorithm::Sppo).unwrap_err();
    assert_eq!(error, DistributionError::NoOtherProbability { distribution: "diagonal Gaussian" });
    assert!(error.to_string().contains("discretise"), "{error}");
}

#[test]
fn a_saved_policy_is_the_same_when_loaded_into_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let image = PolicyConfig::new().with_kind(PolicyKind::Cnn);
    let cases: [(_, &[usize], _); 3] = [
        (PolicyConfig::new().with_use_sde(true), &[5], numbers(2)),
        (PolicyConfig::new().with_log_std_init(-1.0), &[5], numbers(2)),
        (image, &[1, 36, 36], ActionSpace::MultiDiscrete { sizes: vec![2, 3] }),
    ];
    for (i, (config, shape, space)) in cases.into_iter().enumerate() {
        let make = |lane| config.init(shape, &space, &mut stream(lane), &Device::flex()).unwrap();
        let (saved, other) = (make(0), make(1));
        assert_ne!(parameters(&saved), parameters(&other));
        let path = folder.path().join(format!("{i}.bpk"));
        saved.clone().into_record().save(&path).unwrap();
        let loaded = other.load_record(ModuleRecord::load(&path).unwrap());
        assert_eq!(parameters(&saved), parameters(&loaded));
    }
}

#[test]
fn drawn_actions_become_what_the_environment_takes() {
    let mut buffer = ActionBuffer::default();
    let choices = ActionSpace::MultiDiscrete { sizes: vec![3, 4] };
    assert_eq!(buffer.fill(&[2.0, 3.0, 0.0, 1.0], Execution::Index, &choices), Actions::Discrete(&[2, 3, 0, 1]));
    assert_eq!(buffer.fill(&[-3.0, 0.5], Execution::Clip, &numbers(1)), Actions::Continuous(&[-2.0, 0.5]));
    assert_eq!(buffer.fill(&[0.0], Execution::Squash, &numbers(1)), Actions::Continuous(&[-0.5]));
}

use std::{io, path::PathBuf};

use burn::train::Interrupter;
use burn_sppo::environment::{
    Actions, EnvironmentError, EnvironmentSpec, Frame, Observations, Step, VectorEnvironment,
};

use super::{animation::Animation, screen::Screen};

/// An environment that shows what a policy sees whenever that acts. So the last state of an episode, after which
/// nobody acts, is not shown: by then the environment is in the next episode.
pub struct Viewer {
    inner: Box<dyn VectorEnvironment>,
    screen: Option<Screen>,
    animation: Option<Animation>,
    interrupter: Interrupter,
}

impl Viewer {
    pub fn new(
        inner: Box<dyn VectorEnvironment>,
        screen: Option<Screen>,
        animation: Option<Animation>,
        interrupter: Interrupter,
    ) -> Self {
        Self { inner, screen, animation, interrupter }
    }

    fn look(&mut self) -> Result<(), EnvironmentError> {
        if self.interrupter.should_stop() {
            let source = io::ErrorKind::Interrupted.into();
            return Err(EnvironmentError::Io {
                doing: "playing in",
                path: self.inner.spec().id.clone().into(),
                source,
            });
        }
        if self.screen.is_none() && self.animation.is_none() {
            return Ok(());
        }
        let frame = self.inner.render(0)?;
        let frame = frame.ok_or_else(|| EnvironmentError::NoPictures { id: self.inner.spec().id.clone() })?;
        if let Some(animation) = &mut self.animation {
            animation.add(&frame)?;
        }
        self.show(&frame)
    }

    fn show(&mut self, frame: &Frame) -> Result<(), EnvironmentError> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        screen.show(frame).map_err(|source| {
            let path = PathBuf::from("the terminal");
            EnvironmentError::Io { doing: "writing to", path, source }
        })
    }

    /// Closes the animation, if there is one.
    pub fn finish(self) -> Result<Option<Animation>, EnvironmentError> {
        self.animation.map(Animation::finish).transpose()
    }
}

impl VectorEnvironment for Viewer {
    fn spec(&self) -> &EnvironmentSpec {
        self.inner.spec()
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        self.look()?;
        self.inner.step(actions)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use burn_sppo::{
        environment::{ActionSpace, Discrete, NativeEnvironments, SingleEnvironment, TaskSpec, Transition},
        run::Stream,
    };

    use super::*;

    /// Nothing to see.
    struct Dark;

    impl SingleEnvironment for Dark {
        type Action = Discrete;

        fn spec(&self) -> TaskSpec {
            TaskSpec {
                id: "Dark-v0".into(),
                observation_shape: vec![1],
                action_space: ActionSpace::Discrete { n: 2 },
                max_episode_steps: None,
            }
        }

        fn reset(&mut self, _stream: &mut Stream, _observation: &mut [f32]) {}

        fn step(&mut self, _action: usize, _observation: &mut [f32]) -> Transition {
            Transition { reward: 0.0, terminated: false }
        }
    }

    fn step(animation: Option<Animation>, interrupter: Interrupter) -> Result<(), EnvironmentError> {
        let environment = NativeEnvironments::new(1, |_| Dark)?;
        let mut viewer = Viewer::new(Box::new(environment), None, animation, interrupter);
        viewer.reset(Some(1))?;
        viewer.step(Actions::Discrete(&[0])).map(|_| ())
    }

    #[test]
    fn a_task_without_pictures_is_played_but_not_shown() {
        step(None, Interrupter::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let animation = Animation::create(folder.path().join("a.gif"), Duration::from_millis(50)).unwrap();
        let error = step(Some(animation), Interrupter::new()).unwrap_err();
        assert!(matches!(&error, EnvironmentError::NoPictures { id } if id == "Dark-v0"), "{error}");
    }

    #[test]
    fn a_stop_ends_the_play() {
        let interrupter = Interrupter::new();
        interrupter.stop(None);
        assert!(step(None, interrupter).is_err());
    }
}

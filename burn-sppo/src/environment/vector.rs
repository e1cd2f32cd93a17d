use super::wrapper::Normalizer;
use super::{Actions, EnvironmentError, EnvironmentSpec, Frame, Observations, Step};

/// Environments of one task that step together.
///
/// An environment whose episode ends starts the next one in the same step; [`Step::final_observations`] keeps what was
/// seen last.
pub trait VectorEnvironment: Send {
    fn spec(&self) -> &EnvironmentSpec;

    /// Starts new episodes everywhere. Environment `i` takes its random numbers from `seed + i`; without a seed it goes
    /// on with those it has.
    ///
    /// # Errors
    /// If an environment fails or shows something that is not finite.
    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError>;

    /// Lets every environment act.
    ///
    /// # Errors
    /// If there was no reset, an action cannot be carried out, or an environment fails or gives something that is not
    /// finite.
    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError>;

    /// Starts a new episode in one environment, and shows all.
    ///
    /// # Errors
    /// If there is no such environment, or these cannot do so: see [`EnvironmentError::RestartUnsupported`].
    fn restart(&mut self, _env: usize) -> Result<Observations<'_>, EnvironmentError> {
        Err(EnvironmentError::RestartUnsupported { id: self.spec().id.clone() })
    }

    /// Sentences that a user should see once, before training: a task that is found under another name, for example.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// A picture of one environment, if it has any.
    ///
    /// # Errors
    /// If there is no such environment.
    fn render(&mut self, _env: usize) -> Result<Option<Frame>, EnvironmentError> {
        Ok(None)
    }

    /// What brings the observations and rewards to a common scale, if anything does.
    fn normalizer(&self) -> Option<&Normalizer> {
        None
    }

    fn normalizer_mut(&mut self) -> Option<&mut Normalizer> {
        None
    }

    /// All that determines what comes next, random numbers included; `None` where that cannot be had.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Goes back to a state of [`save`](Self::save), of this object or of another made in the same way, and shows the
    /// observations of then.
    ///
    /// # Errors
    /// If nothing can be restored here, or not from these bytes.
    fn restore(&mut self, _state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        Err(EnvironmentError::RestoreUnsupported { id: self.spec().id.clone() })
    }
}

impl<V: VectorEnvironment + ?Sized> VectorEnvironment for Box<V> {
    fn spec(&self) -> &EnvironmentSpec {
        (**self).spec()
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        (**self).reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        (**self).step(actions)
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        (**self).restart(env)
    }

    fn notes(&self) -> &[String] {
        (**self).notes()
    }

    fn render(&mut self, env: usize) -> Result<Option<Frame>, EnvironmentError> {
        (**self).render(env)
    }

    fn normalizer(&self) -> Option<&Normalizer> {
        (**self).normalizer()
    }

    fn normalizer_mut(&mut self) -> Option<&mut Normalizer> {
        (**self).normalizer_mut()
    }

    fn save(&self) -> Option<Vec<u8>> {
        (**self).save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        (**self).restore(state)
    }
}

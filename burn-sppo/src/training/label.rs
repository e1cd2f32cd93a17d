use super::{ControlConfig, NoiseName};
use crate::{advantage::AdvantageKind, loss::ReverseForm};

impl ControlConfig {
    /// The path under which the reference implementation would have kept this run, below its folder of data:
    /// `Ant-v4/ntype:none_0.0/ppo/sppo/rce/normal_Z-1_a0_5_b20_0_bins:11_d0_advTrue/s10000`. It names all that the
    /// experiments of arXiv 2405.17618 vary.
    pub fn label(&self) -> String {
        let (algorithm, environment) = (&self.algorithm, &self.environment);
        // There, a plain algorithm on discretised actions is the symmetric one without a reverse loss.
        let symmetric = algorithm.name.is_symmetric() || environment.bins > 0;
        let name = algorithm.name.to_string();
        let base = name.strip_prefix('s').unwrap_or(&name);
        let name = if symmetric { format!("s{base}") } else { base.to_owned() };
        let advantage = match algorithm.advantage {
            AdvantageKind::Normal => "normal",
            AdvantageKind::One => "one",
            AdvantageKind::Discretized => "dadv",
        };
        let mut suffix = advantage.to_owned();
        let continuous = environment.bins > 0 || !environment.id.ends_with("NoFrameskip-v4");
        if !continuous {
            suffix += &format!("_e{}", underscored(self.update.ent_coef));
        }
        let mut form = String::new();
        if symmetric {
            form = format!("{}/", algorithm.form);
            if algorithm.form == ReverseForm::Rce {
                suffix += &format!("_Z{}", algorithm.z);
            }
            suffix += &format!("_a{}_b{}", underscored(algorithm.alpha), underscored(algorithm.beta));
            if continuous {
                suffix += &format!("_bins:{}", environment.bins);
            }
            suffix += "_d0";
        }
        suffix += if algorithm.normalize_advantage { "_advTrue" } else { "_advFalse" };
        format!("{}/ntype:{}/{base}/{name}/{form}{suffix}/s{}", environment.id, self.noise_label(), self.seed)
    }

    /// Kind and strength of the noise; two of them, which the reference cannot have, are joined.
    fn noise_label(&self) -> String {
        let noise = match self.environment.noise {
            NoiseName::None => "none",
            NoiseName::Normal => "normal",
            NoiseName::Uniform => "uniform",
            NoiseName::RewardFlip => "reward_flip",
            NoiseName::SignFlip => "sign_flip",
        };
        let on_rewards = format!("{noise}_{:?}", self.environment.noise_value);
        let on_advantages = format!("adv_flip_{:?}", self.update.adv_flip);
        match (self.environment.noise, self.update.adv_flip > 0.0) {
            (_, false) => on_rewards,
            (NoiseName::None, true) => on_advantages,
            (_, true) => format!("{on_rewards}+{on_advantages}"),
        }
    }
}

/// `0.5` as `0_5`, `20` as `20_0`.
fn underscored(value: f64) -> String {
    format!("{value:?}").replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::{Family, Variation};

    fn label(algorithm: &str, environment: &str, continuous: bool, variations: &[Variation]) -> String {
        let config = ControlConfig::preset(Family::Reference, algorithm, environment, continuous, variations).unwrap();
        ControlConfig { seed: 10000, ..config }.label()
    }

    #[test]
    fn a_run_is_named_as_by_the_reference() {
        let name = label("sppo", "Ant-v4", true, &[]);
        assert_eq!(name, "Ant-v4/ntype:none_0.0/ppo/sppo/rce/normal_Z-1_a0_5_b20_0_bins:11_d0_advTrue/s10000");
        let name = label("sa2c", "WizardOfWorNoFrameskip-v4", false, &[Variation::Noise]);
        let expected = "ntype:reward_flip_0.1/a2c/sa2c/rce/normal_e0_01_Z-1_a0_5_b1_0_d0_advFalse/s10000";
        assert_eq!(name, format!("WizardOfWorNoFrameskip-v4/{expected}"));
        let name = label("ppo", "Hopper-v4", true, &[Variation::Unnormalized]);
        assert_eq!(name, "Hopper-v4/ntype:none_0.0/ppo/ppo/normal_advFalse/s10000");
    }

    #[test]
    fn no_two_experiments_share_a_name() {
        let name = label("dppo", "Hopper-v4", true, &[]);
        assert_eq!(name, "Hopper-v4/ntype:none_0.0/ppo/sppo/rce/normal_Z-1_a1_0_b0_0_bins:11_d0_advTrue/s10000");
        let preset = ControlConfig::preset(Family::Reference, "a2c", "Hopper-v4", true, &[Variation::Noise]);
        let mut config = preset.unwrap();
        config.update.adv_flip = 0.1;
        assert!(config.label().starts_with("Hopper-v4/ntype:normal_0.05+adv_flip_0.1/a2c/a2c/"), "{}", config.label());
        config.environment.noise = NoiseName::None;
        assert!(config.label().starts_with("Hopper-v4/ntype:adv_flip_0.1/a2c/a2c/"), "{}", config.label());
    }
}

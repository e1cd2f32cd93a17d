"""How Stable-Baselines3 counts the episodes of an evaluation: several environments, lives, clipped rewards.

The same games are counted by their Monitor (raw returns of full games) and without one (what the wrappers let through,
up to the end of a life).

usage: python evaluation_accounting.py     (stable-baselines3; writes ../golden/data/evaluation_accounting.json)
"""

import json
import pathlib

import gymnasium as gym
import numpy as np
import stable_baselines3
from stable_baselines3.common.atari_wrappers import ClipRewardEnv, EpisodicLifeEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

STEPS = 150


class Game(gym.Env):
    """A game whose course does not depend on what the player does. It is its own emulator."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, seed, lives):
        self.random, self.most, self.ale = np.random.default_rng(seed), lives, self

    def lives(self):
        return self.remaining

    def reset(self, *, seed=None, options=None):
        self.remaining = self.most
        return np.zeros(1, np.float32), {}

    def step(self, action):
        event = self.random.random()
        self.remaining -= int(event < 0.2)
        reward = float(self.random.integers(-3, 8)) / 4
        return np.zeros(1, np.float32), reward, self.remaining == 0, event > 0.95, {}


class Still:
    """A player that does nothing."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros(len(observation), int), None


def games(num_envs, lives, seed, monitored):
    def game(env):
        inner = Game([seed, env], lives)
        inner = Monitor(inner) if monitored else inner
        return ClipRewardEnv(EpisodicLifeEnv(inner))

    return DummyVecEnv([lambda env=env: game(env) for env in range(num_envs)])


def script(envs):
    """What an evaluation sees, step by step."""
    envs.reset()
    steps = []
    for _ in range(STEPS):
        _, rewards, dones, infos = envs.step(np.zeros(envs.num_envs, int))
        episodes = [info.get("episode") for info in infos]
        steps.append(
            {
                "rewards": [float(reward) for reward in rewards],
                "dones": [int(done) for done in dones],
                "truncated": [int(info["TimeLimit.truncated"]) for info in infos],
                "episodes": [episode and [episode["r"], episode["l"]] for episode in episodes],
            }
        )
    return steps


def evaluate(envs, episodes):
    returns, lengths = evaluate_policy(Still(), envs, episodes, return_episode_rewards=True, warn=False)
    return [float(value) for value in returns], [int(length) for length in lengths]


def record(name, num_envs, lives, episodes, seed):
    returns, lengths = evaluate(games(num_envs, lives, seed, True), episodes)
    wrapped_returns, _ = evaluate(games(num_envs, lives, seed, False), episodes)
    print(name, returns, lengths, wrapped_returns)
    return {
        "name": name,
        "about": f"{episodes} episodes in {num_envs} environments of games with {lives} lives",
        "inputs": {"episodes": episodes, "steps": script(games(num_envs, lives, seed, True))},
        "expected": {
            "returns": returns,
            "lengths": lengths,
            "mean": float(np.mean(returns)),
            "std": float(np.std(returns)),
            "wrapped_returns": wrapped_returns,
        },
        "tolerance": {"default": "exact", "mean": {"abs": 1e-12}, "std": {"abs": 1e-12}},
    }


def main():
    cases = [
        record("one_environment", 1, 3, 10, 0),
        record("more_episodes_than_environments", 3, 3, 10, 1),
        record("more_environments_than_episodes", 4, 2, 2, 2),
        record("one_life", 2, 1, 5, 3),
    ]
    path = pathlib.Path(__file__).parent.parent / "golden/data/evaluation_accounting.json"
    document = {
        "file": path.name,
        "about": "episodes of an evaluation, by their Monitor and without one",
        "schema": 1,
        "computed_with": {"stable-baselines3": stable_baselines3.__version__, "numpy": np.__version__},
        "cases": cases,
    }
    path.write_text(json.dumps(document) + "\n")


main()

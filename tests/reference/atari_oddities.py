"""Compares the worker's Atari preprocessing with Stable-Baselines3's on a game that does everything odd, and often.

The game has random frames, rewards, lives (bonus lives and moments without any), ends and time limits after a few
frames, so that games end inside a skip, in the no-ops, in the fire actions and in the step after a lost life: real
games do so too seldom to tell.

usage: python atari_oddities.py WORKER STEPS     (stable-baselines3, gymnasium, opencv; prints what was compared)
"""

import json
import sys

import gymnasium as gym
import numpy as np
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.monitor import Monitor


class Screen:
    """What the preprocessing uses of the emulator."""

    def __init__(self, mean_length):
        self.mean_length = mean_length
        self.random = np.random.default_rng(0)
        self.reset_game()

    def reset_game(self):
        self.over = self.cut = False
        self.remaining = 3
        self.frame = self.random.integers(0, 256, (30, 20, 3), np.uint8)

    def act(self, action):
        assert not (self.over or self.cut), "a game that is over is played on"
        self.frame = self.random.integers(0, 256, (30, 20, 3), np.uint8)
        event = self.random.random() * self.mean_length
        self.over, self.cut = event < 0.7, 0.7 < event < 1
        change = self.random.random() * self.mean_length
        self.remaining = max(0, self.remaining + (change < 1) - (1 < change < 4))
        return int(self.random.integers(-2, 3)) * (action + 1)

    def getScreenRGB(self, out=None):
        if out is None:
            return self.frame.copy()
        out[...] = self.frame

    def lives(self):
        return self.remaining

    def game_over(self, with_truncation=True):
        return self.over

    def game_truncated(self):
        return self.cut


class Game(gym.Env):
    def __init__(self, meanings, mean_length):
        self.ale, self.meanings, self._action_set = Screen(mean_length), meanings, list(range(len(meanings)))
        self.observation_space = gym.spaces.Box(0, 255, (30, 20, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(len(meanings))

    def get_action_meanings(self):
        return self.meanings

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.ale.random = np.random.default_rng(seed)
        self.ale.reset_game()
        return self.ale.getScreenRGB(), {}

    def step(self, action):
        reward = self.ale.act(self._action_set[action])
        return self.ale.getScreenRGB(), float(reward), self.ale.over, self.ale.cut, {}


def load_worker(path):
    import cv2
    from gymnasium import spaces

    source = open(path).read()
    program, call = source.rsplit("\n\nmain()", 1)
    assert call.strip() == ""
    names = {"gym": gym, "np": np, "spaces": spaces, "cv2": cv2}
    exec(compile(program, path, "exec"), names)
    return names["FastAtari"]


def main(path, steps):
    fast_atari = load_worker(path)
    compared = {"steps": 0, "ends": 0, "games": 0}
    for meanings in (["NOOP", "FIRE", "RIGHT"], ["NOOP", "UP", "DOWN"]):
        for mean_length in (6, 25, 120):
            monitor = Monitor(Game(meanings, mean_length))
            wrapped, fast = AtariWrapper(monitor), fast_atari(Game(meanings, mean_length))
            out, actions = np.zeros((1, 84, 84), np.uint8), np.random.default_rng(1)
            # With the seed again at each reset inside a reset, a game that ends in its no-ops would do so for ever.
            wrapped.unwrapped.reset(seed=5), fast.env.reset(seed=5)
            expected = wrapped.reset()[0]
            fast.reset(None, out)
            for step in range(steps):
                known = len(monitor.get_episode_rewards())
                assert (expected[:, :, 0] == out[0]).all(), (meanings, mean_length, step, "first observation")
                fast.episode = None
                action = int(actions.integers(len(meanings)))
                expected, reward, terminated, truncated, _ = wrapped.step(action)
                got = fast.step(action, out)
                assert got == (reward, terminated, truncated), (meanings, mean_length, step, got)
                assert (expected[:, :, 0] == out[0]).all(), (meanings, mean_length, step, "observation")
                compared["steps"] += 1
                if terminated or truncated:
                    expected = wrapped.reset()[0]
                    fast.reset(None, out)
                    compared["ends"] += 1
                games = list(zip(monitor.get_episode_rewards(), monitor.get_episode_lengths()))[known:]
                assert fast.episode == (games[0] if games else None), (meanings, mean_length, step, fast.episode, games)
                compared["games"] += len(games)
    print(json.dumps(compared))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""Compares the worker's Atari preprocessing with Stable-Baselines3's on a game that does everything odd, and often.

The game has random frames, rewards, lives (bonus lives and moments without any), ends and time limits after a few
frames, so that games end inside a skip, in the no-ops, in the fire actions and in the step after a lost life: real
games do so too seldom to tell.

usage: python atari_oddities.py compare WORKER STEPS     (stable-baselines3, gymnasium, opencv; prints what was compared)
       python atari_oddities.py write FIXTURE STEPS      (the same packages; writes what Stable-Baselines3 gives)
       python atari_oddities.py check WORKER FIXTURE     (gymnasium, opencv; compares the worker with that)
"""

import json
import sys
import zlib

import gymnasium as gym
import numpy as np

GAMES = [(meanings, length) for meanings in (["NOOP", "FIRE", "RIGHT"], ["NOOP", "UP", "DOWN"]) for length in (6, 25, 120)]


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


class Wrapped:
    """Stable-Baselines3's wrappers, with the interface of the worker's."""

    def __init__(self, game):
        from stable_baselines3.common.atari_wrappers import AtariWrapper
        from stable_baselines3.common.monitor import Monitor

        self.env, self.monitor = game, Monitor(game)
        self.wrapped, self.episode = AtariWrapper(self.monitor), None

    def reset(self, seed, out):
        out[0] = self.wrapped.reset()[0][:, :, 0]

    def step(self, action, out):
        known = len(self.monitor.get_episode_rewards())
        observation, reward, terminated, truncated, _ = self.wrapped.step(action)
        out[0] = observation[:, :, 0]
        self.known = known
        return reward, terminated, truncated

    def finished(self):
        games = list(zip(self.monitor.get_episode_rewards(), self.monitor.get_episode_lengths()))[self.known :]
        return games[0] if games else None


def play(preprocessing, steps):
    """A row a step: action, reward, ends, checksum of the observation, the game that has ended."""
    out, actions, rows = np.zeros((1, 84, 84), np.uint8), np.random.default_rng(1), []
    # With the seed again at each reset inside a reset, a game that ends in its no-ops would do so for ever.
    preprocessing.env.reset(seed=5)
    preprocessing.reset(None, out)
    rows.append([zlib.crc32(out.tobytes())])
    for _ in range(steps):
        preprocessing.episode = None
        action = int(actions.integers(len(preprocessing.env.get_action_meanings())))
        reward, terminated, truncated = preprocessing.step(action, out)
        row = [action, float(reward), bool(terminated), bool(truncated), zlib.crc32(out.tobytes())]
        if terminated or truncated:
            preprocessing.reset(None, out)
            row.append(zlib.crc32(out.tobytes()))
        game = preprocessing.finished() if isinstance(preprocessing, Wrapped) else preprocessing.episode
        rows.append(row + ([float(game[0]), int(game[1])] if game else []))
    return rows


def picture():
    """210 x 160 pixels in which every value and every place occurs."""
    y, x, channel = np.meshgrid(np.arange(210), np.arange(160), np.arange(3), indexing="ij")
    return ((y * y * 7 + x * 31 + channel * 85 + (x * y) // 5) % 256).astype(np.uint8)


def warp(wrapper_or_worker):
    if wrapper_or_worker == "stable-baselines3":
        from stable_baselines3.common.atari_wrappers import WarpFrame

        return WarpFrame(Still(picture())).observation(picture())[:, :, 0]
    out = np.zeros((1, 84, 84), np.uint8)
    wrapper_or_worker(Still(picture()))._warp(picture(), out)
    return out[0]


class Still(Game):
    """A game that shows one picture."""

    def __init__(self, picture):
        super().__init__(["NOOP"], 1)
        self.observation_space = gym.spaces.Box(0, 255, picture.shape, np.uint8)
        self.ale.frame = picture


def compare(path, steps):
    fast_atari = load_worker(path)
    compared = {"steps": 0, "ends": 0, "games": 0}
    for game in GAMES:
        expected, found = (play(kind(Game(*game)), steps) for kind in (Wrapped, fast_atari))
        for step, pair in enumerate(zip(expected, found)):
            assert pair[0] == pair[1], (game, step, pair)
        compared["steps"] += steps
        compared["ends"] += sum(len(row) > 4 and (row[2] or row[3]) for row in found)
        compared["games"] += sum(len(row) in (7, 8) and isinstance(row[-2], float) for row in found)
    assert (warp("stable-baselines3") == warp(fast_atari)).all()
    return compared


def write(fixture, steps):
    games = [{"meanings": game[0], "mean_length": game[1], "rows": play(Wrapped(Game(*game)), steps)} for game in GAMES]
    with open(fixture, "w") as file:
        file.write('{"games": [\n' + ",\n".join(map(json.dumps, games)))
        file.write('],\n"grey": "' + warp("stable-baselines3").tobytes().hex() + '"}\n')
    return {"games": len(games), "steps": steps}


def check(path, fixture):
    fast_atari, expected, steps = load_worker(path), json.load(open(fixture)), 0
    for game in expected["games"]:
        rows = game["rows"]
        found = play(fast_atari(Game(game["meanings"], game["mean_length"])), len(rows) - 1)
        for step, pair in enumerate(zip(rows, found)):
            assert pair[0] == pair[1], (game["meanings"], game["mean_length"], step, pair)
        steps += len(rows) - 1
    assert warp(fast_atari).tobytes().hex() == expected["grey"]
    return {"steps": steps}


if __name__ == "__main__":
    command, first, second = sys.argv[1:]
    if command == "check":
        print(json.dumps(check(first, second)))
    else:
        print(json.dumps({"compare": compare, "write": write}[command](first, int(second))))

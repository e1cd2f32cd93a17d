"""Steps gymnasium environments for a parent process that talks through pipes.

The parent sends this file over standard input, then a configuration; the answer says what the environments look like.
From then on every request is one byte and its payload, every reply a header of 8 bytes (tag, three zeros, length of
the payload as u32) and its payload. All numbers are little-endian.

request                                      reply
R, u8 has a seed, u64 seed                   k with the first observations; environment i of the worker gets seed + i
S, actions (i64 or f32)                      k, or K with final observations if an episode has ended
V, u32 environment                           v, u32 width, u32 height, RGB bytes
X, or the end of the input                   none: the worker ends
any                                          E, JSON with the environment and a message

payload of k: returns f64 | lengths u64 | rewards f32 | flags u8 | zeros up to a multiple of 8 | observations
payload of K: the same | final observations
"""

import difflib
import importlib.metadata
import json
import os
import signal
import struct
import sys
import traceback

PROTOCOL = 1
TERMINATED, TRUNCATED, EPISODE = 1, 2, 4
ALIASES = {"LunarLander-v2": "LunarLander-v3", "LunarLanderContinuous-v2": "LunarLanderContinuous-v3"}
ATARI = "ale_py.env:AtariEnv"
PACKAGES = ("gymnasium", "numpy", "mujoco", "ale-py", "box2d", "opencv-python-headless", "opencv-python")


class Refusal(Exception):
    """Why there is nothing to step: a kind that the parent knows, and a sentence."""

    def __init__(self, kind, message, nearest=()):
        super().__init__(message)
        self.reply = {"error": kind, "message": message, "nearest": list(nearest)}


def versions():
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


class Observation:
    """Shape and number type of an observation space as the parent sees it, and how to write one into its buffer."""

    def __init__(self, space):
        self.expected = getattr(space, "shape", None)
        if isinstance(space, spaces.Box):
            self._box(space)
        elif isinstance(space, spaces.Discrete):
            if space.start != 0:
                raise Refusal("space", f"the observation space {space} does not start at 0")
            self.shape, self.dtype, self.write = (int(space.n),), np.float32, self._one_hot
        elif isinstance(space, spaces.MultiDiscrete):
            refuse_start(space, "observation")
            sizes = np.asarray(space.nvec).reshape(-1)
            self.offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
            self.shape, self.dtype, self.write = (int(sizes.sum()),), np.float32, self._one_hots
        elif isinstance(space, spaces.MultiBinary):
            self.shape, self.dtype, self.write = tuple(map(int, space.shape)), np.float32, self._plain
        else:
            raise Refusal(
                "space",
                f"the observation space {space} is a {type(space).__name__}; only Box, Discrete, MultiDiscrete and "
                "MultiBinary are supported: flatten it with gymnasium.wrappers.FlattenObservation",
            )
        if 0 in self.shape:
            raise Refusal("space", f"the observation space {space} is empty")
        self.kind = {np.uint8: "u8", np.float32: "f32", np.float64: "f64"}[self.dtype]

    def _box(self, space):
        shape, kind = tuple(map(int, space.shape)), space.dtype.kind
        if space.dtype == np.uint8:
            self.dtype = np.uint8
        elif kind == "b" or (kind in "iuf" and space.dtype.itemsize < (4 if kind in "iu" else 8)):
            self.dtype = np.float32
        elif kind in "iuf":
            self.dtype = np.float64
        else:
            raise Refusal("space", f"the observation space {space} has the number type {space.dtype}")
        self.shape, self.write = shape or (1,), self._plain
        if self.dtype == np.uint8 and len(shape) == 3 and shape[2] in (1, 3, 4) and shape[0] > 4:
            # Pictures are channel-first for the parent.
            self.shape, self.write = (shape[2], shape[0], shape[1]), self._picture

    def _check(self, observation):
        if np.shape(observation) != self.expected:
            raise ValueError(
                f"an observation has the shape {np.shape(observation)}, the observation space says {self.expected}"
            )

    def _plain(self, out, observation):
        self._check(observation)
        out[...] = observation

    def _picture(self, out, observation):
        self._check(observation)
        out[...] = np.transpose(observation, (2, 0, 1))

    def _one_hot(self, out, observation):
        self._check(observation)
        out[...] = 0.0
        out[int(observation)] = 1.0

    def _one_hots(self, out, observation):
        self._check(observation)
        out[...] = 0.0
        out[np.reshape(observation, -1) + self.offsets] = 1.0


class Action:
    """What the parent must know of an action space, and how a row of its numbers becomes an action."""

    def __init__(self, space):
        self.shape, self.dtype, self.sent = tuple(map(int, space.shape or ())), space.dtype, np.int64
        if isinstance(space, spaces.Discrete):
            if space.start != 0:
                raise Refusal(
                    "space",
                    f"the action space {space} starts at {space.start}, only 0 is supported: wrap the environment "
                    "with gymnasium.wrappers.TransformAction",
                )
            self.width, self.meta = 1, {"kind": "discrete", "n": int(space.n)}
        elif isinstance(space, spaces.MultiDiscrete):
            refuse_start(space, "action")
            sizes = [int(n) for n in np.asarray(space.nvec).reshape(-1)]
            self.width, self.meta = len(sizes), {"kind": "multi_discrete", "sizes": sizes}
        elif isinstance(space, spaces.MultiBinary):
            self.width = int(np.prod(space.shape))
            self.meta = {"kind": "multi_binary", "n": self.width}
        elif isinstance(space, spaces.Box):
            if space.dtype.kind != "f":
                raise Refusal("space", f"the action space {space} is a Box of integers; use MultiDiscrete instead")
            self.width, self.sent = int(np.prod(space.shape)), np.float32
            low, high = ([bound(x) for x in side.reshape(-1).tolist()] for side in (space.low, space.high))
            self.meta = {"kind": "continuous", "low": low, "high": high}
        else:
            raise Refusal(
                "space",
                f"the action space {space} is a {type(space).__name__}; only Box, Discrete, MultiDiscrete and "
                "MultiBinary are supported",
            )
        if self.width == 0:
            raise Refusal("space", f"the action space {space} is empty")

    def read(self, payload, count):
        numbers = np.frombuffer(payload, dtype=self.sent)
        return numbers.astype(self.dtype, copy=False).reshape((count,) + self.shape)


def bound(number):
    """None where there is none: JSON knows no infinity."""
    return number if np.isfinite(number) else None


def refuse_start(space, role):
    if np.any(np.asarray(getattr(space, "start", 0)) != 0):
        raise Refusal("space", f"the {role} space {space} does not start at 0")


class Plain:
    """Any gymnasium environment."""

    def __init__(self, env):
        self.env, self.episode = env, None
        self.observation, self.action = Observation(env.observation_space), Action(env.action_space)
        self.total, self.length = 0.0, 0

    def reset(self, seed, out):
        self.total, self.length = 0.0, 0
        self.observation.write(out, self.env.reset(seed=seed)[0])

    def step(self, action, out):
        observation, reward, terminated, truncated, _ = self.env.step(action)
        reward = float(reward)
        self.observation.write(out, observation)
        self.total += reward
        self.length += 1
        if terminated or truncated:
            self.episode = (self.total, self.length)
        return reward, terminated, truncated

    def render(self):
        return self.env.render()

    def close(self):
        self.env.close()


class FastAtari:
    """An Atari game as the Nature DQN saw it, in one class instead of eight wrappers.

    Frames, rewards and ends are those of Stable-Baselines3's Monitor, NoopReset(30), MaxAndSkip(4), EpisodicLife,
    FireReset (if the game has that action), WarpFrame(84) and ClipReward, one inside the other, oddities included:
    the maximum is taken over stale frames if a game ends inside a skip, and the first frame of an episode is the one
    after action 2 even if that ended a game. Only a reset with a seed always starts a new game here. An episode is a
    full game with its raw score and its raw frames, no-ops included.
    """

    SKIP, SIZE, NOOPS = 4, 84, 30

    def __init__(self, env):
        self.env, self.episode = env.unwrapped, None
        self.ale, self.actions = self.env.ale, self.env._action_set
        if env.observation_space.shape[2:] != (3,) or not isinstance(env.action_space, spaces.Discrete):
            raise Refusal("space", "the Atari preprocessing needs obs_type=\"rgb\" and discrete actions")
        self.observation = Observation(spaces.Box(0, 255, (1, self.SIZE, self.SIZE), np.uint8))
        self.action = Action(env.action_space)
        self.fire = "FIRE" in self.env.get_action_meanings()
        shape = env.observation_space.shape
        self.last_two = [np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)]
        self.brightest, self.gray = np.zeros(shape, np.uint8), np.zeros(shape[:2], np.uint8)
        self.score, self.frames = 0.0, 0
        self.lives, self.game_is_over = 0, True

    def reset(self, seed, out):
        if seed is not None:
            self.game_is_over = True
        frame = self._next_life(seed)
        if self.fire:
            for action in (1, 2):
                _, terminated, truncated = self._step_life(action)
                self._warp(self.brightest, out)
                if terminated or truncated:
                    self._next_life(seed)
        else:
            self._warp(frame, out)

    def step(self, action, out):
        reward, terminated, truncated = self._step_life(action)
        self._warp(self.brightest, out)
        return float((reward > 0) - (reward < 0)), terminated, truncated

    def render(self):
        return self.ale.getScreenRGB()

    def close(self):
        self.env.close()

    def _new_game(self, seed):
        self.env.reset(seed=seed)
        self.score, self.frames = 0.0, 0

    def _act(self, action):
        reward = float(self.ale.act(self.actions[action]))
        self.score += reward
        self.frames += 1
        terminated, truncated = self.ale.game_over(with_truncation=False), self.ale.game_truncated()
        if (terminated or truncated) and self.episode is None:
            self.episode = (self.score, self.frames)
        return reward, terminated, truncated

    def _noop_reset(self, seed):
        self._new_game(seed)
        for _ in range(self.env.np_random.integers(1, self.NOOPS + 1)):
            _, terminated, truncated = self._act(0)
            if terminated or truncated:
                self._new_game(seed)
        return self.ale.getScreenRGB()

    def _skip(self, action):
        total = 0.0
        for repeat in range(self.SKIP):
            reward, terminated, truncated = self._act(action)
            if repeat >= self.SKIP - 2:
                self.ale.getScreenRGB(self.last_two[repeat - self.SKIP + 2])
            total += reward
            if terminated or truncated:
                break
        cv2.max(self.last_two[0], self.last_two[1], self.brightest)
        return total, terminated, truncated

    def _step_life(self, action):
        reward, terminated, truncated = self._skip(action)
        self.game_is_over = terminated or truncated
        lives = self.ale.lives()
        # Some games show no lives for a few frames before they are over.
        terminated = terminated or 0 < lives < self.lives
        self.lives = lives
        return reward, terminated, truncated

    def _next_life(self, seed):
        if self.game_is_over:
            frame = self._noop_reset(seed)
        else:
            _, terminated, truncated = self._skip(0)
            frame = self._noop_reset(seed) if terminated or truncated else self.brightest
        self.lives = self.ale.lives()
        return frame

    def _warp(self, frame, out):
        cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY, self.gray)
        cv2.resize(self.gray, (self.SIZE, self.SIZE), out[0], interpolation=cv2.INTER_AREA)


def make(config, notes):
    """The environments of this worker."""
    name = config["id"]
    if name not in gym.registry:
        register_atari()
    if name not in gym.registry and ALIASES.get(name) in gym.registry:
        notes.append(f"{name} is {ALIASES[name]} in gymnasium {gym.__version__}: the same task")
        name = ALIASES[name]
    options = dict(config["arguments"])
    if config["render"]:
        options.setdefault("render_mode", "rgb_array")
    atari = name.endswith("NoFrameskip-v4") and getattr(gym.registry.get(name), "entry_point", "") == ATARI
    if atari and config["max_episode_steps"] is not None:
        options["max_num_frames_per_episode"] = config["max_episode_steps"] * FastAtari.SKIP
    elif config["max_episode_steps"] is not None:
        options["max_episode_steps"] = config["max_episode_steps"]
    if atari:
        import_opencv()
    tasks = []
    try:
        for _ in range(config["count"]):
            env = gym.make(name, disable_env_checker=True, **options)
            tasks.append(FastAtari(env) if atari else Plain(env))
    except (gym.error.UnregisteredEnv, gym.error.DeprecatedEnv, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and ":" not in name:
            raise Refusal("package", describe(error)) from error
        known = {known.lower(): known for known in gym.registry}
        close = difflib.get_close_matches(name.lower(), known, 3)
        raise Refusal("unknown", describe(error), [known[key] for key in close]) from error
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise Refusal("package", describe(error)) from error
    return tasks


def register_atari():
    try:
        import ale_py
    except ImportError:
        return
    if hasattr(gym, "register_envs"):
        gym.register_envs(ale_py)


def import_opencv():
    global cv2
    try:
        import cv2
    except ImportError as error:
        raise Refusal("package", f"the Atari preprocessing needs opencv-python-headless: {error}") from error
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)


def describe(error):
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def where(error):
    """The innermost place of an error outside this file."""
    here = where.__code__.co_filename
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != here]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


class Whole:
    """Writes everything, in as many system calls as it takes."""

    def __init__(self, raw):
        self.raw = raw

    def write(self, data):
        data = memoryview(data)
        while data:
            data = data[self.raw.write(data) :]


class Worker:
    """The environments, and the buffer in which a reply is composed and from which it is sent at once."""

    HEADER = struct.Struct("<c3xI")

    def __init__(self, tasks, requests, replies):
        self.tasks, self.requests, self.replies = tasks, requests, replies
        observation, self.action = tasks[0].observation, tasks[0].action
        count = len(tasks)
        size = count * int(np.prod(observation.shape)) * np.dtype(observation.dtype).itemsize
        numbers = -(-count * (8 + 8 + 4 + 1) // 8) * 8
        self.short, self.long = numbers + size, numbers + 2 * size
        self.block = memoryview(bytearray(self.HEADER.size + self.long))
        self.offset = self.HEADER.size

        def view(dtype, shape):
            array = np.frombuffer(self.block, dtype, int(np.prod(shape)), self.offset).reshape(shape)
            self.offset += array.nbytes
            return array

        self.returns, self.lengths = view("<f8", count), view("<u8", count)
        self.rewards, self.flags = view("<f4", count), view("u1", count)
        self.offset = self.HEADER.size + numbers
        shape = (count,) + observation.shape
        self.observations, self.finals = list(view(observation.dtype, shape)), list(view(observation.dtype, shape))
        self.request_size = count * self.action.width * np.dtype(self.action.sent).itemsize
        self.current = 0

    def serve(self):
        operations = {b"R": self.reset, b"S": self.step, b"V": self.render}
        while True:
            operation = operations.get(self.requests.read(1))
            if operation is None:
                return
            try:
                operation()
            except EOFError:
                return
            except Exception as error:
                traceback.print_exc()
                message = {"environment": self.current, "message": describe(error) + where(error)}
                self.send(b"E", json.dumps(message).encode())

    def receive(self, size):
        payload = bytearray(size)
        if self.requests.readinto(payload) != size:
            raise EOFError
        return payload

    def send(self, tag, payload):
        self.replies.write(self.HEADER.pack(tag, len(payload)) + payload)

    def send_block(self, tag, size):
        self.HEADER.pack_into(self.block, 0, tag, size)
        self.replies.write(self.block[: self.HEADER.size + size])

    def reset(self):
        seeded, seed = struct.unpack("<BQ", self.receive(9))
        for self.current, task in enumerate(self.tasks):
            task.reset(seed + self.current if seeded else None, self.observations[self.current])
            task.episode = None
        self.rewards[:] = 0.0
        self.flags[:] = 0
        self.send_block(b"k", self.short)

    def step(self):
        actions = self.action.read(self.receive(self.request_size), len(self.tasks))
        ended = False
        for i, task in enumerate(self.tasks):
            self.current = i
            out = self.observations[i]
            self.rewards[i], terminated, truncated = task.step(actions[i], out)
            flags = 0
            if terminated or truncated:
                ended = True
                # A time limit counts only where the task has not ended by itself.
                flags = TERMINATED if terminated else TRUNCATED
                self.finals[i][...] = out
                task.reset(None, out)
            if task.episode is not None:
                flags |= EPISODE
                self.returns[i], self.lengths[i] = task.episode
                task.episode = None
            self.flags[i] = flags
        self.send_block(b"K", self.long) if ended else self.send_block(b"k", self.short)

    def render(self):
        (self.current,) = struct.unpack("<I", self.receive(4))
        try:
            frame = self.tasks[self.current].render()
        except Exception as error:
            if "OpenGL" not in str(error):
                raise
            raise RuntimeError(f"{error}; without a display, set MUJOCO_GL to egl or osmesa") from error
        if frame is None or np.ndim(frame) != 3 or np.shape(frame)[2] != 3:
            raise ValueError("the environment renders no RGB picture; it must be made with render_mode=\"rgb_array\"")
        frame = np.ascontiguousarray(frame, np.uint8)
        self.send(b"v", struct.pack("<II", frame.shape[1], frame.shape[0]) + frame.tobytes())


def main():
    global gym, np, spaces
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers itself.
    # The game emulator and users' environments print: that must not get between the replies.
    replies = Whole(os.fdopen(os.dup(1), "wb", buffering=0))
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    requests = sys.stdin.buffer
    config = json.loads(requests.read(int(requests.readline())))
    tasks, notes = [], []
    try:
        try:
            import gymnasium as gym
            import numpy as np
            from gymnasium import spaces
        except ImportError as error:
            raise Refusal("package", describe(error)) from error
        tasks = make(config, notes)
        spec = getattr(tasks[0].env, "spec", None)
        answer = {
            "id": spec.id if spec is not None else config["id"],
            "versions": versions(),
            "notes": notes,
            "mujoco": "mujoco" in str(getattr(spec, "entry_point", "")),
            "observation": {"kind": tasks[0].observation.kind, "shape": tasks[0].observation.shape},
            "action": tasks[0].action.meta,
        }
    except Refusal as refusal:
        answer = refusal.reply
    except Exception as error:
        traceback.print_exc()
        answer = {"error": "make", "message": describe(error) + where(error), "nearest": []}
    text = json.dumps(answer, allow_nan=False).encode()
    replies.write(b"burn-sppo worker %d %d\n" % (PROTOCOL, len(text)) + text)
    if "error" not in answer:
        Worker(tasks, requests, replies).serve()
    for task in tasks:
        try:
            task.close()
        except Exception:
            traceback.print_exc()
    sys.stderr.flush()
    os._exit(0)  # No thread or library of an environment may hold up the end.


main()

"""Meters for tests: what they read is said beforehand, or follows a clock."""

from __future__ import annotations

from impactree.measure import Reading


class FakeMeter:
    """Reads constant powers, W, by a clock of its own."""

    resolution_s = 0.001

    def __init__(self, cpu_w=3600.0, ram_w=0.0, users=()):
        self.powers = {"cpu": ("measured", cpu_w), "ram": ("modelled", ram_w)}
        self.users = frozenset(users)
        self.fails = None
        self.missing = ()
        self.starts = self.reads = 0

    def start(self):
        self.starts += 1

    def read(self, seconds):
        self.reads += 1
        if self.fails is not None:
            raise self.fails
        return [
            Reading(name, source, None if name in self.missing else watts * seconds / 3.6e6)
            for name, (source, watts) in self.powers.items()
            if watts
        ]

    def gpu_users(self):
        return self.users

    def describe(self):
        return "a fake"


class Clock:
    """A clock that stands still until it is moved, and a wall clock beside it."""

    def __init__(self):
        self.now = 0.0
        self.slept = 0.0

    def __call__(self):
        return self.now

    def wall(self):
        return 1e9 + self.now + self.slept

# SPDX-License-Identifier: MIT
"""A profile is a function that fills a scene with connections that have one kind of trouble; its
docstring says which."""
import messages as m
from conversation import Connection

PROFILES = {}
# a seed of that profile counts as so many
WORTH = {"crowd": 100}


def profile(function):
    PROFILES[function.__name__] = function
    return function


def answers(scene):
    return m.response if scene.track else m.plain_response


def conns(scene, most=3, most_requests=5, make=m.request):
    """New connections that have something to say."""
    for number in range(scene.rng.randrange(1, most + 1)):
        conn = scene.add(Connection(scene.rng, scene.seed, number))
        conn.plan(scene.rng.randrange(1, most_requests + 1), make, answers(scene))
        yield conn


def usual(scene, **trouble_of):
    """Connections that differ from others in these attributes."""
    for conn in conns(scene):
        for name, value in trouble_of.items():
            setattr(conn, name, value)
        conn.open()
        conn.talk(scene.rng.choice([(1,), (1,), (1, 2, 5)]))
        conn.close()

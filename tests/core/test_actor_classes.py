"""What an actor's class has besides plain methods: on Ray and on minimr.

A class keeps its attributes when it becomes an actor class, an instance may
hide its methods, and a method of a handle is a value of its own.
"""

import pytest


@pytest.fixture
def agent_class(api):
    @api.remote
    class Agent:
        """Learns."""

        RATE = 0.5

        def __init__(self, items=()):
            self.items = list(items)

        @staticmethod
        def double(x):
            return 2 * x

        @classmethod
        def name(cls):
            return cls.__name__

        def __getitem__(self, index):
            return self.items[index]

        def __len__(self):
            return len(self.items)

        def inside(self):
            return Agent.RATE, Agent.double(2)

        def switch(self):
            self.switch = True  # hides the method in plain Python
            return "on"

    return Agent


def test_an_actor_class_keeps_its_class_attributes(agent_class):
    assert agent_class.RATE == 0.5
    assert agent_class.double(2) == 4
    assert callable(agent_class.name)


def test_an_unknown_class_attribute_is_an_attribute_error(agent_class):
    with pytest.raises(AttributeError, match="nothing"):
        agent_class.nothing  # noqa: B018


def test_methods_see_the_attributes_of_their_class(api, agent_class):
    assert api.get(agent_class.remote().inside.remote()) == (0.5, 4)


def test_special_methods_can_be_called(api, agent_class):
    agent = agent_class.remote("abc")
    assert api.get(agent.__getitem__.remote(1)) == "b"
    assert api.get(agent.__len__.remote()) == 3


def test_an_attribute_does_not_hide_the_method_of_its_name(api, agent_class):
    agent = agent_class.remote()
    assert api.get([agent.switch.remote() for _ in range(2)]) == ["on", "on"]


def test_a_method_of_a_handle_travels(api, agent_class):
    @api.remote
    def call(method, index):
        return api.get(method.remote(index))

    agent = agent_class.remote("abc")
    assert api.get(call.remote(agent.__getitem__, 2)) == "c"


def test_a_method_that_travels_keeps_the_actor(api, agent_class, gate):
    @api.remote
    def call(method, wait):
        wait()
        return api.get(method.remote(0))

    agent = agent_class.remote("abc")
    ref = call.remote(agent.__getitem__, gate.wait)
    del agent
    gate.open()
    assert api.get(ref) == "a"


def test_a_function_can_be_called_on_an_actor(api, agent_class):
    def last(agent, times, suffix=""):
        return agent.items[-1] * times + suffix

    agent = agent_class.remote("abc")
    call = agent.__ray_call__
    assert api.get(call.remote(last, 2, suffix="!")) == "cc!"


def test_parameters_may_be_called_self(api):
    @api.remote
    def f(self, args, kwargs):
        return self, args, kwargs

    assert api.get(f.remote(self=1, args=2, kwargs=3)) == (1, 2, 3)


def test_options_may_be_given_with_the_call(api, agent_class):
    @api.remote
    def pair(a, b):
        return a, b

    one, two = pair._remote(args=[1], kwargs={"b": 2}, num_returns=2)
    assert api.get([one, two]) == [1, 2]
    agent = agent_class._remote(args=["abc"], num_cpus=0)
    assert api.get(agent.__getitem__._remote(args=[0], name="first")) == "a"

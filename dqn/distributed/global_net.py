"""An actor that holds the network of all agents, and tests it.

agents ── push ──> parameter server: the average of each round
                      └── pull ──> GlobalNet ──> greedy games ──> score
"""

from __future__ import annotations

from dqn.algorithm.dqn import layers_of
from dqn.algorithm.environment import shape_of
from dqn.algorithm.evaluation import Examiner
from dqn.algorithm.network import QNetwork, Weights, use_one_thread
from dqn.settings import Settings
from minimr.interface.parameter_server import ParameterServer


class GlobalNet:
    """Tests the average of the agents' weights.

    Runs in: an actor of any engine, on the head.

    Args:
        settings: of the run.
        server: a client of the parameter server, which averages.
    """

    def __init__(self, settings: Settings, server: ParameterServer) -> None:
        use_one_thread()
        self._server = server
        self._network = QNetwork(
            *shape_of(settings.environment), settings.hidden
        )
        self._examiner = Examiner(settings.environment, settings.test_games)

    def ready(self) -> None:
        """Return once the actor has started."""

    def test(self) -> float:
        """Play the test games with the newest weights; return the average."""
        self._network.load(layers_of(self.weights()))
        return self._examiner.average(self._network)

    def weights(self) -> Weights:
        """Return the newest weights, with those of the optimiser."""
        return self._server.pull()

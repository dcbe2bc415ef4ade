"""For tests of your own programs: say what goes wrong, and judge the result.

simulated(nodes=3) ── kill_node(task=3), cut("head", 3.0) ──> run(program)
     in each run, on simulated machines, from a seed
disturbed(cluster) ── kill_node(task=3), kill_worker(task=3)
     once, on real processes of a `Cluster` of minimr or of Ray

def test_my_program(simulated):              # a pytest fixture, too:
    simulated.kill_node(task=3)              # `fixtures.py`
    simulated.delay("Done", seconds=2.0)
    assert simulated.run(my_program, seeds=1000).findings == []
"""

from minimr.testing.real import Disturbed as Disturbed
from minimr.testing.real import disturbed as disturbed
from minimr.testing.simulation import Simulated as Simulated
from minimr.testing.simulation import simulated as simulated

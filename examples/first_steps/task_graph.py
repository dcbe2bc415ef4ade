"""The graph of tasks: who waits for whom, as a picture.

Each call is noted with the references that it takes: that is the graph that
the engine works through, and it grows while the tasks already run. The
picture has a level for each step, so that its width is what can run at once.

Watch: the tree of `tree_reduce` is four levels, not sixteen.
From:  Learning Ray, chapters 2 and 3; the lecture, on dynamic task graphs.
Next:  draw the graph of `count_words`, or that of your own program: give
       its calls through `Graph.call`.
"""


class Graph:
    """Calls tasks, and notes what each takes from which others."""

    def __init__(self):
        self.names = {}  # {reference: what its task is called}
        self.inputs = {}  # {reference: the references that it takes}
        self.levels = {}  # {reference: how many steps are before it}

    def call(self, name, task, *args):
        """Start a task, and note it."""
        reference = task.remote(*args)
        takes = [arg for arg in args if arg in self.names]
        self.names[reference] = name
        self.inputs[reference] = takes
        self.levels[reference] = 1 + max(
            (self.levels[one] for one in takes), default=-1
        )
        return reference

    def draw(self, path):
        """Draw the tasks level by level, with an arrow for each input."""
        from matplotlib.figure import Figure  # here: no worker needs it

        places, width = {}, {}
        for reference, level in self.levels.items():
            place = width[level] = width.get(level, 0) + 1
            places[reference] = (level, -place)
        for reference, (level, place) in places.items():  # in the middle
            places[reference] = (level, place + width[level] / 2)
        axes = Figure(figsize=(9, 5)).add_subplot()
        for reference, (x, y) in places.items():
            axes.text(
                x, y, self.names[reference], ha="center", va="center",
                bbox={"boxstyle": "round", "fc": "white"},
            )  # fmt: skip
            for one in self.inputs[reference]:
                axes.annotate(
                    "", (x, y), places[one],
                    arrowprops={"arrowstyle": "->", "shrinkA": 22,
                                "shrinkB": 22},
                )  # fmt: skip
        axes.set_xlim(-0.5, max(self.levels.values()) + 0.5)
        axes.set_ylim(-max(width.values()) / 2 - 1, max(width.values()) / 2)
        axes.set_axis_off()
        axes.figure.savefig(path)


def main(ray, full=False, *, leaves=8, out=None):
    """Return the sum, and how many tasks each level has."""
    graph = Graph()

    @ray.remote
    def load(number):
        return number

    @ray.remote
    def add(one, other):
        return one + other

    values = [graph.call(f"load {i}", load, i) for i in range(leaves)]
    while len(values) > 1:
        one, other, *rest = values
        values = [*rest, graph.call("add", add, one, other)]
    total = ray.get(values[0])

    levels = list(graph.levels.values())
    sizes = [levels.count(level) for level in range(max(levels) + 1)]
    print(f"sum {total}; tasks of each level: {sizes}")
    graph.draw(out / "task_graph.png")
    assert total == sum(range(leaves)), "a wrong sum"
    return total, sizes

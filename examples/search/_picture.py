"""A picture of all trials over time."""


def draw_trials(out, name, trials):
    """Draw trials, {their number: their reports}, and print where."""
    if out is None:
        return
    from matplotlib.figure import Figure  # here: it takes half a second

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    zero = min(reports[0]["begin"] for reports in trials.values())
    best = max(trials, key=lambda trial: trials[trial][-1]["accuracy"])
    for trial, reports in trials.items():
        colour = "tab:red" if trial == best else f"{0.4 + trial % 5 / 10}"
        ends = [report["end"] - zero for report in reports]
        accuracies = [report["accuracy"] for report in reports]
        above.plot(ends, accuracies, ".-", color=colour)
        for report in reports:
            seconds = report["end"] - report["begin"]
            below.barh(
                trial, seconds, left=report["begin"] - zero, color=colour
            )
    above.set(ylabel="accuracy", title=f"{name}: the best one is red")
    below.set(ylabel="trial", xlabel="seconds")
    path = f"{out}/{name.replace(' ', '_')}.png"
    figure.savefig(path)
    print(f"picture: {path}")

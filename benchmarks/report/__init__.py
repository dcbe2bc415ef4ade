"""One page from the JSON of any runs: `python -m benchmarks report DIR`.

*.json ──> content: sections of tables and figures ──> HTML, Markdown
            scaling.py  runs of the lab
            others.py   every other benchmark
"""

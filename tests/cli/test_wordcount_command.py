"""`minimr wordcount` as a user runs it."""

from __future__ import annotations

import gzip
import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.running import (
    DEADLINE_S,
    ENGINES,
    Minimr,
    command,
    environment,
)

COUNTS = {"the": 150, "cat": 50, "and": 50, "dog.": 50, "end": 50}
JSON_KEYS = {
    "engine",
    "job",
    "seconds",
    "startup_seconds",
    "words",
    "distinct_words",
    "map_tasks",
    "reduce_tasks",
    "reruns",
    "shuffle_bytes",
    "worker_peak_rss_bytes",
    "identical",
}


def lines_of(counts: dict[str, int]) -> str:
    return "".join(f"{word}\t{n}\n" for word, n in sorted(counts.items()))


@pytest.mark.parametrize("job", ["textbook", "combined"])
def test_the_output_is_sorted_by_code_point(
    job: str, minimr: Minimr, book: Path
) -> None:
    book.write_text("zebra Äpfel apple Zoo \U0001f600 \ufb01x zebra")
    output = book.parent / "counts.tsv"
    ended = minimr(
        "wordcount", book, "--engine", ENGINES, "--job", job,
        "--output", output,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert output.read_text(encoding="utf-8") == (
        "apple\t1\nzebra\t2\nzoo\t1\näpfel\t1\n\ufb01x\t1\n\U0001f600\t1\n"
    )


def test_all_engines_agree_and_one_table_says_what_each_has_cost(
    minimr: Minimr, book: Path
) -> None:
    result = book.parent / "result.json"
    expect = book.parent / "expected.tsv"
    expect.write_text(lines_of(COUNTS))
    ended = minimr("wordcount", book, "--json", result, "--expect", expect)
    assert ended.returncode == 0, ended.stderr
    assert (
        "identical: serial, sockets, minimr, ray, the expected ones"
    ) in ended.stdout
    rows = json.loads(result.read_text())
    assert [row["engine"] for row in rows] == [
        "serial",
        "sockets",
        "minimr",
        "ray",
    ]
    for row in rows:
        assert row.keys() >= JSON_KEYS
        assert row["words"] == 350
        assert row["distinct_words"] == 5
        assert row["identical"] is True
        assert row["reruns"] == 0
        assert row["seconds"] > 0
        assert row["shuffle_bytes"] > 0
        assert row["worker_peak_rss_bytes"] > 2**20
        assert row["engine"] in ended.stdout
    assert rows[1]["startup_seconds"] > 0


@pytest.mark.skipif(
    find_spec("pyarrow") is None, reason="pyarrow is not installed"
)
def test_the_job_arrow_counts_the_same(minimr: Minimr, book: Path) -> None:
    expect = book.parent / "expected.tsv"
    expect.write_text(lines_of(COUNTS))
    ended = minimr(
        "wordcount", book, "--engine", ENGINES, "--job", "arrow",
        "--expect", expect,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_a_job_whose_package_is_missing_is_one_clear_line(
    minimr: Minimr, book: Path
) -> None:
    hidden = book.parent / "pyarrow.py"  # found first: it is where we are
    hidden.write_text("raise ModuleNotFoundError('hidden')")
    ended = minimr("wordcount", book, "--job", "arrow")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.endswith("pip install 'minimr[arrow]'")


def test_a_wrong_expectation_shows_the_first_differences(
    minimr: Minimr, book: Path
) -> None:
    expect = book.parent / "expected.tsv"
    wrong = {**COUNTS, "the": 151, "unicorn": 1}
    del wrong["cat"]
    expect.write_text(lines_of(wrong))
    ended = minimr("wordcount", book, "--engine", ENGINES, "--expect", expect)
    assert ended.returncode == 1
    told = ended.stdout[ended.stdout.index("the counts DIFFER") :]
    assert told.splitlines() == [
        "the counts DIFFER:",
        *(
            f"{engine}: {difference}"
            for engine in ENGINES.split(",")
            for difference in (
                "'cat': expected 0, counted 50",
                "'the': expected 151, counted 150",
                "'unicorn': expected 1, counted 0",
            )
        ),
    ]


def test_the_top_words_stand_in_order(minimr: Minimr, book: Path) -> None:
    ended = minimr("wordcount", book, "--engine", "sockets", "--top", "2")
    assert [line.split() for line in ended.stdout.splitlines()[-2:]] == [
        ["the", "150"],
        ["and", "50"],
    ]


def test_map_and_reduce_tasks_are_as_many_as_asked_for(
    minimr: Minimr, book: Path
) -> None:
    result = book.parent / "result.json"
    minimr(
        "wordcount", book, "--engine", "sockets", "--workers", "3",
        "--map-tasks", "11", "--reduce-tasks", "5", "--json", result,
    )  # fmt: skip
    (row,) = json.loads(result.read_text())
    assert (row["map_tasks"], row["reduce_tasks"]) == (11, 5)


@pytest.mark.parametrize("job", ["textbook", "combined"])
def test_the_run_tells_how_many_files_were_not_utf8(
    job: str, minimr: Minimr, tmp_path: Path
) -> None:
    (tmp_path / "good.txt").write_text("caf\u00e9 bar")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9 bar \xff " * 9)
    output = tmp_path / "counts.tsv"
    ended = minimr(
        "wordcount", "good.txt", "bad.txt", "--engine", ENGINES,
        "--job", job, "--map-tasks", "7", "--output", output,
    )  # fmt: skip
    assert "1 file had bytes that are not UTF-8" in ended.stderr
    assert "bad.txt" in ended.stderr
    assert output.read_text(encoding="utf-8") == (
        "bar\t10\ncaf\u00e9\t1\ncaf\ufffd\t9\n\ufffd\t9\n"
    )


def test_an_empty_file_has_no_words(minimr: Minimr, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    output = tmp_path / "counts.tsv"
    ended = minimr(
        "wordcount", "empty.txt", "--engine", "sockets", "--output", output
    )
    assert ended.returncode == 0, ended.stderr
    assert output.read_text() == ""


def test_a_failed_run_leaves_the_old_output(
    minimr: Minimr, tmp_path: Path
) -> None:
    output = tmp_path / "counts.tsv"
    output.write_text("old\t1\n")
    ended = minimr("wordcount", "nowhere.txt", "--output", output)
    assert ended.returncode == 2
    assert output.read_text() == "old\t1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["counts.tsv"]


def test_an_output_goes_where_a_link_leads(minimr: Minimr, book: Path) -> None:
    folder = book.parent
    for name in ("counts", "result"):
        (folder / f"{name}.old").write_text("old")
        (folder / name).symlink_to(f"{name}.old")
    ended = minimr(
        "wordcount", book, "--engine", "serial", "--output", "counts",
        "--json", "result",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert (folder / "counts").is_symlink()
    assert (folder / "result").is_symlink()
    assert (folder / "counts.old").read_text() == lines_of(COUNTS)
    (row,) = json.loads((folder / "result.old").read_text())
    assert row["words"] == sum(COUNTS.values())


def test_an_output_may_be_the_standard_output(
    minimr: Minimr, book: Path
) -> None:
    ended = minimr(
        "wordcount", book, "--engine", "serial", "--output", "/dev/stdout"
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(lines_of(COUNTS))


def test_an_output_on_a_full_disk_is_one_line_after_the_table(
    minimr: Minimr, book: Path
) -> None:
    ended = minimr(
        "wordcount", book, "--engine", "serial", "--output", "/dev/full"
    )
    assert ended.returncode == 2
    assert "serial" in ended.stdout
    last = ended.stderr.splitlines()[-1]
    assert last == "minimr: cannot use /dev/full: No space left on device"


def test_what_is_left_out_and_what_cannot_be_cut_is_said(
    minimr: Minimr, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.gz").write_bytes(gzip.compress(b"one two"))
    (folder / "b.txt").write_text("two", encoding="utf-16")
    (folder / "c.png").write_bytes(b"PNG\0")
    expect = tmp_path / "expected.tsv"
    expect.write_text("one\t1\ntwo\t2\nthree\t0\n", encoding="utf-8-sig")
    ended = minimr(
        "wordcount", "folder", "--engine", ENGINES, "--expect", expect
    )
    assert ended.returncode == 0, ended.stderr
    assert "left out 1 not text (folder/c.png)" in ended.stderr
    assert (
        "2 files cannot be cut, and each is read by one map task: "
        "UTF-16-LE, gzip"
    ) in ended.stderr
    engines = ENGINES.replace(",", ", ")
    assert f"identical: {engines}, the expected ones" in ended.stdout


def test_some_of_the_engines_may_be_named(minimr: Minimr, book: Path) -> None:
    ended = minimr("wordcount", book, "--engine", "sockets,serial")
    assert ended.returncode == 0
    assert "the counts are identical: sockets, serial\n" in ended.stdout


def test_the_standard_input_is_counted(tmp_path: Path) -> None:
    ended = subprocess.run(
        command("wordcount", "-", "--engine", ENGINES, "--top", "1"),
        input="ein Ω, ein Ende",
        env={**environment(tmp_path), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert ["ein", "2"] in [line.split() for line in lines]
    assert lines[-1].endswith("identical: serial, sockets, minimr")
    assert "read once" in ended.stderr


def test_a_word_that_the_terminal_cannot_show_is_written_out(
    tmp_path: Path,
) -> None:
    ended = subprocess.run(
        command("wordcount", "-", "--engine", "serial"),
        input="Ω é".encode(),
        env={**environment(tmp_path), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    shown = ended.stdout.decode("latin-1")
    assert "\\u03c9" in shown
    assert "é" in shown


def test_a_closed_standard_output_is_said_and_spoils_no_file(
    tmp_path: Path, book: Path
) -> None:
    count = command("wordcount", book, "--engine", "sockets")
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *count, "--output", "counts"],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "the standard output is closed" in ended.stderr
    assert (tmp_path / "counts").read_text() == lines_of(COUNTS)

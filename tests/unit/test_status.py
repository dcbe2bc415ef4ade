"""What `minimr status` writes of resources."""

from minimr.cli.cluster import usage


def test_memory_is_told_in_gibibytes_and_the_rest_in_numbers() -> None:
    total = {"CPU": 4.0, "memory": 64.0 * 2**30, "disk": 0.5}
    assert usage(total, {"CPU": 1.5, "memory": 63.5 * 2**30}) == [
        "2.5 / 4 CPU", "0.5 / 0.5 disk", "0.50 / 64.00 GiB memory",
    ]  # fmt: skip

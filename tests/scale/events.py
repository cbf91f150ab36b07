"""Events for `make scale`: synthetic, the same in each run, with values that repeat and lines that are no events.

    text/*.jsonl, packed/*.jsonl.gz, columns/*.parquet    what Spark reads
    columns/*.jsonl                                       the same events as the Parquet beside it, for `load`

Invariant: the same count gives the same bytes.
"""

import gzip
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Of ten files: six are plain, two packed, two Parquet.
PARTS = ["text"] * 6 + ["packed"] * 2 + ["columns"] * 2
ODD = [b"no JSON at all", b'{"user_id": "u", "ip": "192.0.2.1.1", "device_id": "d", "app_version": "1.2"}',
       b'{"user_id": "u", "ip": "192.0.2.1", "app_version": "1.2"}', b'{"user_id": "\xff\xfe", "ip": "192.0.2.1"}',
       b"", b" \t ", b'[{"user_id": "u"}]', b"\x1f\x8b\x08 not packed"]
NAMES = [r"tab\tin it", r"back\\slash", r"\\N", "quote\\\"d", "sch\u00f6n \u6f22", r"line\nbreak", ""]


def line(number):
    """Some 20 events a device, 10 an address, 5 a user; values are spread by two multiplications."""
    mixed = number * 2654435761 & 0xFFFFFFFF
    device, address, user = mixed % 100003, mixed % 200003, mixed % 400009
    # A task sees several days, as where some events come late.
    day, locale = 1 + (number * 10 // 2000003 + (mixed >> 5) % 3) % 28, ("null", '"DE"')[mixed >> 3 & 1]
    return (f'{{"user_id": "u-{user:06x}-{mixed & 3}", "app_version": "2.{number % 10}.{number % 7}", '
            f'"device_type": "{("android", "ios")[mixed & 1]}", "ip": "{1 + address % 223}.{address >> 8 & 255}.'
            f'{address & 255}.7", "locale": {locale}, "device_id": "{device % 1000:03}-{device // 1000:02}-'
            f'{device * 7 % 10000:04}", "create_date": "2026-11-{day:02}"}}\n')


def write(python, folder, count):
    """Writes them into a folder; returns {part: [file]} for Spark, and the files for load."""
    for part in set(PARTS):
        (folder / part).mkdir(parents=True)
    share = count // len(PARTS)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import events; events.write_part(*sys.argv[2:])"
    here = str(Path(__file__).parent)

    def one(at):
        command = [str(python), "-B", "-c", script, here, str(folder), PARTS[at], str(at), str(share)]
        subprocess.run(command, check=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(len(PARTS))))


def write_part(folder, part, at, share):
    at, share, plain = int(at), int(share), f"{folder}/{part}/{at}.jsonl"
    with open(plain, "wb") as out:
        if at == 0:
            out.write(b"\xef\xbb\xbf")  # a byte order mark, as editors write it
        for start in range(at * share, (at + 1) * share, 10000):
            numbers = range(start, min(start + 10000, (at + 1) * share))
            out.write("".join(map(line, numbers)).encode())
            if part != "columns":
                out.write(ODD[(3 * at + start // 10000) % len(ODD)] + b"\n")
            name = NAMES[start // 10000 % len(NAMES)]
            out.write(line(start).replace('"u-', f'"{name}u-').encode())
            if part == "text":
                # A blank between members is no end of a line, and an empty text is not null.
                out.write(line(start).replace(', "', ',\r"', 1).replace("null", '""').encode())
    if part == "packed":
        with open(plain, "rb") as source, gzip.open(f"{plain}.gz", "wb", 1) as packed:
            shutil.copyfileobj(source, packed)
    if part == "columns":
        import duckdb  # noqa: PLC0415
        columns = ("{'user_id': 'VARCHAR', 'app_version': 'VARCHAR', 'device_type': 'VARCHAR', 'ip': 'VARCHAR', "
                   "'locale': 'VARCHAR', 'device_id': 'VARCHAR', 'create_date': 'DATE'}")
        duckdb.execute("set enable_progress_bar = false")
        duckdb.execute(f"copy (select * from read_json('{plain}', format = 'newline_delimited', columns = {columns})) "
                       f"to '{folder}/columns/{at}.parquet' (format parquet)")

"""Which functions a query may call.

A function of the engine is allowed unless it reads files or settings, tells about the server,
changes state, or returns far more than it is given. The last kind may be called with small literal
sizes: DuckDB's memory limit does not cover what one call returns.
"""

from __future__ import annotations

import re

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})  # the only ones that may stand in FROM

_PREFIXES: tuple[str, ...] = (
    "read_",
    "scan_",
    "duckdb_",
    "pragma_",
    "parquet_",
    "json_execute_",
    "json_serialize_",
    "json_deserialize_",
    "has_",
    "inet_",
)
_PREFIXES += (
    "sqlite_",
    "fts3",
    "pg_",
    "lo_",
    "dblink",
    "query_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "cursor_to_xml",
)
_PREFIXES += ("xp_", "sp_", "sys_", "utl_", "dbms_", "http", "load_", "icu_sort", "st_read", "__", "txid_", "internal_")
_ALLOWED = frozenset({"pg_typeof", "pg_size_pretty"})
_DENIED = frozenset(
    """
    glob sniff_csv query query_table seq_scan arrow_scan pandas_scan python_map_function which_secret summary checkpoint force_checkpoint
    getenv getvariable current_setting set_config write_log sleep sleep_ms benchmark waitfor error assert_true raise raise_error
    nextval currval setval lastval setseed get_lock release_lock is_free_lock last_insert_rowid changes total_changes
    current_query current_database current_schema current_schemas current_catalog current_user session_user current_role user system_user
    database schema version connection_id current_connection_id current_query_id current_transaction_id in_search_path get_block_size
    col_description obj_description shobj_description parse_duckdb_log_message readfile writefile edit fileio_read eval zipfile fsdir
    load_extension openrowset opendatasource openquery from_json_strict copy export_set randomblob zeroblob hex_decode bitstring unbin
    xmlparse xpath xmlforest txid_current vector_type invoke cast_to_type replace_type make_type remap_struct create_sort_key
    equi_width_bins approx_top_k
    """.split()
)
# The argument that decides how long the result is, counted from 0; it must be a literal of at most LONGEST.
SIZED = {"repeat": 1, "pad": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1, "bar": 3, "space": 0}
LONGEST = 1_000
SERIES = frozenset({"range", "generate_series"})  # one call makes a whole list, unless it stands in FROM
LITERAL = {"replace": (1, 2), "regexp_replace": (1, 2), "overlay": (1,), "printf": (0,), "format": (0,)}  # arguments that must be literals
_WIDE = re.compile(r"\d{4}")


def refused(name: str) -> str:
    """Why a function must not be called, or "".

    >>> refused("sum"), refused("read_csv")
    ('', 'the function read_csv reads what is not in the tables')
    """
    name = name.lower()
    if name in _ALLOWED:
        return ""
    if name in _DENIED or name.startswith(_PREFIXES):
        return (
            f"the function {name} reads what is not in the tables"
            if name.startswith(("read_", "scan_"))
            else f"the function {name} is not allowed"
        )
    return ""


def size_problem(name: str, literals: list[object]) -> str:
    """Why the arguments of a function could make a result of any length, or "".

    `literals` has the arguments that are literals; the others are None.

    >>> size_problem("repeat", ["x", 1_000_000])
    'repeat needs a literal of at most 1,000'
    """
    name = name.lower()
    if name in SERIES:
        return f"{name} makes a whole list here; use it in FROM: FROM {name}(...) AS t(n)"
    if name in SIZED:
        at = SIZED[name]
        value = literals[at] if at < len(literals) else 0
        if not isinstance(value, (int, float)) or value > LONGEST:
            return f"{name} needs a literal of at most {LONGEST:,}"
    for at in LITERAL.get(name, ()):
        if at < len(literals) and literals[at] is None:
            return f"argument {at + 1} of {name} must be a literal"
    if name in ("printf", "format") and literals and _WIDE.search(str(literals[0])):
        return f"{name} has too wide a field"
    return ""

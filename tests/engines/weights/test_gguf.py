import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnb.core.errors import DownloadError, ModelError, NotPulledError
from fmnb.engines.weights import gguf


@pytest.fixture
def put(tmp_path):
    """Write bytes as a file and read its head."""

    def read(data: bytes, name: str = "m.gguf"):
        file = tmp_path / name
        file.write_bytes(data)
        return gguf.read(file)

    return read


def test_the_embedded_models_head_says_what_it_is(embedded_path):
    head = gguf.read(embedded_path)
    assert (head.architecture, head.file_type, head.license, head.context) == ("llama", "Q4_1", "apache-2.0", 8192)
    assert head.parameters == 134_515_008
    assert len(head.tensors) == 272
    assert head.chat_template.startswith("{% for message in messages %}")
    assert head.tokens[1:3] == [b"<|im_start|>", b"<|im_end|>"]
    assert len(head.tokens) == 49_152
    assert len(head.merges) == 48_900


def test_values_and_arrays_come_back_as_written(put, small_gguf):
    head = put(small_gguf)
    assert head.metadata["tokenizer.ggml.add_bos_token"] is True
    assert head.tokens == [b"a", b"b", b"ab"]
    assert head.array("tokenizer.ggml.scores") == [0.0, 1.0, 2.0]
    assert head.array("no.such.key") == []
    assert (head.hyperparameter("block_count"), head.hyperparameter("no_such")) == (2, None)


def test_tensors_come_back_as_written_and_in_numpys_order(put, small_gguf):
    head = put(small_gguf)
    w = head.tensors["w"]
    assert (w.shape, w.kind, w.size) == ((2, 32), "Q4_0", 36)
    assert bytes(head.tensor_bytes("w")) == bytes(range(36))
    assert struct.unpack("<4f", head.tensor_bytes("n")) == (1, 2, 3, 4)


def test_tensor_bytes_cannot_be_written(put, small_gguf):
    with pytest.raises(TypeError):
        put(small_gguf).tensor_bytes("w")[0] = 1


def test_a_file_cut_anywhere_never_passes(put, small_gguf):
    whole = put(small_gguf).tensors["n"]
    for length in range(whole.offset + whole.size):
        with pytest.raises(ModelError):
            put(small_gguf[:length])


def test_a_file_cut_in_its_tensors_says_so(put, small_gguf):
    with pytest.raises(DownloadError, match="truncated.*pull the model again"):
        put(small_gguf[:-20])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_head_is_read_or_refused_and_nothing_else(put, small_gguf, data):
    changed = bytearray(small_gguf)
    for at in data.draw(st.lists(st.integers(0, len(changed) - 1), min_size=1, max_size=8)):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        head = put(bytes(changed))
    except ModelError:
        return
    assert all(t.offset + t.size <= len(changed) for t in head.tensors.values())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04" + bytes(40), "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0) + bytes(9), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(9), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0) + bytes(9), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60) + bytes(9), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + bytes(9), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 60), "truncated"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 9) + bytes(20), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99) + bytes(20), "damaged"),
        (b"", "truncated"),
    ],
)
def test_hostile_heads_are_refused_in_words(put, data, words):
    with pytest.raises(ModelError, match=words):
        put(data)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(NotPulledError, match="The model file does not exist"):
        gguf.read(tmp_path / "none.gguf")


def test_a_folder_is_no_model_file(tmp_path):
    with pytest.raises(ModelError):
        gguf.read(tmp_path)


def test_an_unknown_number_format_is_named(put, write_gguf):
    with pytest.raises(ModelError, match="number format.*type 4444"):
        put(write_gguf({"general.architecture": "x"}, {"w": ((32,), 4444, bytes(18))}))


def test_a_row_that_is_not_whole_blocks_is_refused(put, write_gguf):
    with pytest.raises(ModelError, match="whole blocks"):
        put(write_gguf({"general.architecture": "x"}, {"w": ((33,), 2, bytes(64))}))


def test_a_changed_file_is_read_again(put, small_gguf, write_gguf):
    assert put(small_gguf).architecture == "llama"
    assert put(write_gguf({"general.architecture": "other"}, {})).architecture == "other"


def test_all_parts_of_a_split_model_are_named_and_a_missing_one_is_refused(put, write_gguf, tmp_path):
    part = write_gguf({"general.architecture": "x", "split.count": 2}, {})
    head = put(part, "m-00001-of-00002.gguf")
    with pytest.raises(NotPulledError, match="m-00002-of-00002.gguf"):
        gguf.shards(head.path, head)
    put(part, "m-00002-of-00002.gguf")
    assert [p.name for p in gguf.shards(head.path, head)] == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]

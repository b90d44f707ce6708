"""Where keys come from, and where they never go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import keyring
import pytest
from keyring.backend import KeyringBackend

from fmnb.config import keys
from fmnb.core.errors import UsageError

HOST = "api.openai.com"


class Memory(KeyringBackend):
    """A working keyring that lives in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch):
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    monkeypatch.setattr(keys, "_keyring_hangs", False)
    keys._cache.clear()
    yield
    keyring.set_keyring(before)
    keys._cache.clear()


@pytest.fixture
def ring():
    memory = Memory()
    keyring.set_keyring(memory)
    return memory


SET_KEY = """
import sys, keyring
from keyring.backends.fail import Keyring
keyring.set_keyring(Keyring())
from fmnb.config import keys
print(keys.set_key("openai", sys.argv[1], "api.openai.com") if sys.argv[1] else keys.remove_key("openai"))
"""


def test_a_key_that_another_process_sets_is_found_by_the_next_call(home):
    def elsewhere(key):
        subprocess.run([sys.executable, "-c", SET_KEY, key], check=True, env={**os.environ, "FMNB_HOME": str(home)})

    assert find() is None
    elsewhere("sk-from-the-sidebar")
    assert find().value == "sk-from-the-sidebar"
    elsewhere("")
    assert find() is None


def test_a_change_in_the_keyring_by_another_process_is_seen_and_otherwise_it_is_not_asked(ring, home):
    asked = []
    get = ring.get_password
    ring.get_password = lambda *of: (asked.append(of), get(*of))[1]
    assert find() is None and find() is None and len(asked) == 1
    ring.set_password(keys.SERVICE, "openai", '{"key": "sk-1", "host": "api.openai.com"}')
    (home / "keys.changed").write_text("by another process")
    assert find().value == "sk-1" and find().source == "keyring" and len(asked) == 2


def find(host=HOST, env=("A_KEY", "B_KEY"), own=(HOST,)):
    return keys.find(env, "openai", host, own_hosts=own)


def test_the_environment_comes_first_in_the_order_of_the_variables(monkeypatch, ring):
    keys.set_key("openai", "stored-key", HOST)
    monkeypatch.setenv("B_KEY", "second")
    assert (find().value, find().source) == ("second", "B_KEY")
    monkeypatch.setenv("A_KEY", "first")
    assert find().value == "first"


def test_an_empty_variable_is_no_key(monkeypatch):
    monkeypatch.setenv("A_KEY", "  ")
    assert find() is None


def test_a_key_is_kept_in_the_keyring_where_there_is_one(ring):
    assert keys.set_key("openai", "stored-key", HOST) == "keyring"
    assert (find().value, find().source) == ("stored-key", "keyring") and not keys.file().exists()


def test_without_a_keyring_a_file_only_the_user_can_read_holds_it():
    assert keys.set_key("openai", "stored-key", HOST) == "file"
    assert (find().value, find().source) == ("stored-key", "file")
    assert keys.file().stat().st_mode & 0o777 == 0o600


def test_a_file_others_can_read_is_closed_with_a_warning():
    keys.set_key("openai", "stored-key", HOST)
    keys.file().chmod(0o644)
    with pytest.warns(UserWarning, match="was readable by other users"):
        assert find().value == "stored-key"
    assert keys.file().stat().st_mode & 0o777 == 0o600


def test_a_broken_file_is_passed_over_with_a_warning(home):
    keys.set_key("openai", "stored-key", HOST)
    keys.file().write_text("{broken")
    with pytest.warns(UserWarning, match="cannot be read"):
        assert find() is None


def test_a_key_goes_to_its_own_host_and_no_other(monkeypatch, ring):
    monkeypatch.setenv("A_KEY", "from-environment")
    assert find("evil.example") is None
    monkeypatch.delenv("A_KEY")
    keys.set_key("openai", "stored-key", HOST)
    assert find("evil.example") is None and find("api.openai.com.evil.example") is None
    assert find().value == "stored-key"


def test_a_stored_key_follows_the_host_it_was_stored_for(ring):
    keys.set_key("openai", "gateway-key", "gateway.example")
    assert find("gateway.example").value == "gateway-key" and find(HOST) is None


def test_removing_a_key_forgets_it_in_both_places(ring):
    keys.set_key("openai", "stored-key", HOST)
    keys.file().parent.mkdir(parents=True, exist_ok=True)
    keys._write_file({"openai": {"key": "old", "host": HOST}})
    assert keys.remove_key("openai") and find() is None and not keys.remove_key("openai")


def test_keys_of_other_providers_stay():
    keys.set_key("openai", "one", HOST)
    keys.set_key("groq", "two", "api.groq.com")
    keys.remove_key("openai")
    assert keys.find((), "groq", "api.groq.com", own_hosts=()).value == "two"


def test_status_says_where_and_never_what(monkeypatch, ring):
    assert keys.status(("A_KEY",), "openai") == ""
    keys.set_key("openai", "stored-key", HOST)
    assert keys.status(("A_KEY",), "openai") == "keyring"
    monkeypatch.setenv("A_KEY", "from-environment")
    assert keys.status(("A_KEY",), "openai") == "environment (A_KEY)"


def test_a_key_shows_its_source_and_never_its_value():
    key = keys.Key("secret-value", "file")
    assert "secret-value" not in f"{key} {key!r} {key}"


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "schlüssel"])
def test_what_cannot_be_a_key_is_refused(value):
    with pytest.raises(UsageError) as caught:
        keys.set_key("openai", value, HOST)
    assert not value.strip() or value not in str(caught.value)


def test_a_keyring_that_hangs_holds_nobody_up(monkeypatch):
    asked = threading.Event()

    class Hanging(Memory):
        def get_password(self, service, username):
            asked.set()
            threading.Event().wait()

    keyring.set_keyring(Hanging())
    monkeypatch.setattr(keys, "_KEYRING_SECONDS", 0.1)
    with pytest.warns(UserWarning, match="does not answer"):
        assert find() is None
    assert asked.wait(30)
    keys._cache.clear()
    asked.clear()
    assert find() is None and not asked.is_set()


def test_finding_a_key_in_the_environment_imports_no_keyring(monkeypatch, tmp_path):
    import subprocess

    script = "import sys; from fmnb.config import keys; assert keys.find(['A_KEY'], 'p', 'h', own_hosts=['h']).value == 'x'; print('keyring' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "A_KEY": "x"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_keyring_that_forgets_what_it_accepts_is_not_used():
    from keyring.backends.null import Keyring

    keyring.set_keyring(Keyring())
    assert keys.set_key("openai", "stored-key", HOST) == "file"
    assert find().value == "stored-key"


def test_a_stored_key_goes_to_the_port_it_was_stored_for(ring):
    keys.set_key("mine", "stored-key", "localhost:8000")
    for address, value in (("localhost:8000", "stored-key"), ("localhost:9000", None), ("localhost", None)):
        found = keys.find((), "mine", "localhost", own_hosts=(), address=address)
        assert (found.value if found else None) == value, address

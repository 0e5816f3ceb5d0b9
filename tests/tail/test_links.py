"""Which links are followed: by a shipper that may read everything, only those it can trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.tail import links
from shipper.tail.discovery import Patterns

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make links of others")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return a folder of logs beside a file and a folder of root that are none of it."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "private/sub").mkdir(parents=True)
    (tmp_path / "private/a.log").write_text("private")
    (tmp_path / "private/sub/b.log").write_text("private")
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def link_of_other(path: Path, target: Path) -> None:
    path.symlink_to(target)
    os.lchown(path, NOBODY, NOBODY)


def found(pattern: Path) -> list[str]:
    return sorted(os.path.basename(each.path) for each in Patterns((str(pattern),)).find())


def test_a_link_of_another_user_to_what_is_not_theirs(logs: Path) -> None:
    """Whoever can write to the folder must not read by the rights of root; it is said."""
    link_of_other(logs / "evil.log", logs.parent / "secret")
    assert found(logs / "*.log") == []
    assert found(logs / "evil.log") == []
    assert any(
        text.startswith(f"{logs}/evil.log: a link of user {NOBODY}") for text in links.refused()
    )


def test_links_that_can_be_trusted(logs: Path) -> None:
    """A link of root, and one of a user to a file of that user, are followed as ever."""
    own = logs / "own.txt"
    own.write_text("own")
    os.chown(own, NOBODY, NOBODY)
    link_of_other(logs / "current.log", own)
    (logs / "root.log").symlink_to(logs.parent / "secret")
    assert found(logs / "*.log") == ["current.log", "root.log"]


def test_folders_below_a_wildcard(logs: Path) -> None:
    """A link to a folder is no way either, by a wildcard, `**`, or a name below one."""
    link_of_other(logs / "tenant", logs.parent / "private")
    assert found(logs / "*/*.log") == []
    assert found(logs / "**/*.log") == []
    (logs / "other").mkdir()
    link_of_other(logs / "other/sub", logs.parent / "private/sub")
    assert found(logs / "*/sub/*.log") == []
    assert found(logs.parent / "private/*/b.log") == ["b.log"]


def test_a_shipper_without_such_rights_follows(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses what it may not read; all else was given to it."""
    link_of_other(logs / "evil.log", logs.parent / "secret")
    monkeypatch.setattr(links, "reads_all", lambda: False)
    assert found(logs / "*.log") == ["evil.log"]

"""What a backup says of itself: also what is not in it."""

from pathlib import Path

from orchestrator_site import backup


def test_a_backup_tells_what_it_does_not_hold(tmp_path: Path) -> None:
    assert [line.split()[4].strip(",") for line in backup.left_out(tmp_path, None)] == [
        "CELESTA_SECRET_KEY",
        "CELESTA_ENCRYPTION_KEY",
    ]
    for name in backup.KEYS:
        (tmp_path / name).write_text("x")
    assert list(backup.left_out(tmp_path, None)) == []
    (line,) = backup.left_out(tmp_path, "s3://bucket/prefix")
    assert "CELESTA_STORAGE_URL" in line and "bucket/prefix" not in line

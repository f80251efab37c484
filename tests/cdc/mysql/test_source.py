"""Where the source is, who asks, and what is done with what the server refuses; nothing of it needs a server."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pytest

from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.mysql.charsets import CODECS, decoder, encoder
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.errors import SourceError, SourceGone
from crossfade.cdc.mysql.keyset import behind
from crossfade.cdc.mysql.literals import literal
from crossfade.cdc.mysql.schema import enum_members
from crossfade.cdc.mysql.source import Source, refusal
from crossfade.errors import ConfigurationError, in_full


def test_a_url_names_everything_but_the_password() -> None:
    """It comes from the environment and is shown nowhere."""
    source = Source.of_url(
        "mysql://app%40eu@db.example:3307/shop?ca=/etc/ca.pem", {"CROSSFADE_MYSQL_PASSWORD": "hunter2"}
    )
    assert source == Source("db.example", 3307, "app@eu", "hunter2", "shop", "/etc/ca.pem")
    assert "hunter2" not in repr(source)


def test_an_option_file_has_user_and_password(tmp_path: Path) -> None:
    """As the server's own clients read them, quotes and all; the variable's password wins."""
    file = tmp_path / "my.cnf"
    _ = file.write_text("[mysqldump]\nquick\n[client]\nuser = app\npassword = 'p%ss#1'\n")
    environment = {"CROSSFADE_MYSQL_OPTION_FILE": str(file)}
    source = Source.of_url("mariadb://db.example/shop", environment)
    assert (source.user, source.password, source.port) == ("app", "p%ss#1", 3306)
    wins = Source.of_url("mariadb://db.example/shop", {**environment, "CROSSFADE_MYSQL_PASSWORD": "other"})
    assert wins.password == "other"  # noqa: S105


@pytest.mark.parametrize(
    "url", ["postgres://a@b/c", "mysql:///shop", "mysql://a@b:port/c", "mysql://a:secret@b/c", "nonsense"]
)
def test_a_url_that_will_not_do_is_refused_without_repeating_it(url: str) -> None:
    """A password in it would be in the message otherwise."""
    with pytest.raises(ConfigurationError) as caught:
        _ = Source.of_url(url, {})
    assert "secret" not in in_full(caught.value)


@pytest.mark.parametrize("query", ["ssl_ca=/etc/ca.pem", "CA=/etc/ca.pem", "ca=", "ca=/a.pem&ssl=1"])
def test_an_option_that_nobody_knows_is_refused(query: str) -> None:
    """Whoever misspells the one that asks for TLS must not go on without."""
    with pytest.raises(ConfigurationError, match="ca=FILE"):
        _ = Source.of_url(f"mysql://a@b/shop?{query}", {})


@pytest.mark.parametrize("found", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_read_is_told(tmp_path: Path, found: str | None) -> None:
    """By name, and not as an error out of the driver."""
    file = tmp_path / "ca.pem"
    if found is not None:
        _ = file.write_text(found)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        _ = Source("127.0.0.1", 1, certificate_authority=str(file)).connect()


def test_a_lost_connection_may_be_tried_again_and_a_refusal_not() -> None:
    """Whose fault it was is in the error's type."""
    lost = refusal(pymysql.OperationalError(2013, "Lost connection"), "SELECT 1")
    denied = refusal(pymysql.OperationalError(1142, "SELECT command denied"), "SELECT 1")
    stranger = refusal(pymysql.OperationalError(1045, "Access denied"), "db.example")
    assert isinstance(lost, SourceGone)
    assert lost.retryable
    assert type(denied) is SourceError
    assert "crossfade check" in denied.next_step
    assert not denied.retryable
    assert "CROSSFADE_MYSQL_PASSWORD" in stranger.next_step  # who is let in by nobody asks for no right


@pytest.mark.parametrize("charset", ["latin1", *CODECS])
def test_every_character_set_comes_back(charset: str) -> None:
    """Text goes to bytes and back; latin1 has all 256 of them."""
    assert decoder(charset)(encoder(charset)("plain text")) == "plain text"
    if charset == "latin1":
        everything = bytes(range(256))
        assert encoder(charset)(decoder(charset)(everything)) == everything
        assert decoder(charset)(b"\x80\x81") == "€\x81"


def test_a_character_set_without_a_codec_is_refused_with_the_way_out() -> None:
    """No letter is guessed."""
    with pytest.raises(ChangeUnreadable, match="dec8") as caught:
        _ = decoder("dec8")
    assert "utf8mb4" in caught.value.next_step


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("a", Kind.INTEGER), "1 OR 1=1"),
        (Column("a", Kind.DATE), "2024-01-01' OR '1'='1"),
        (Column("a", Kind.ENUM, members=("x",)), "y"),
        (Column("a", Kind.TEXT, charset="latin1"), "漢"),
        (Column("a", Kind.FLOAT), 1e300),
    ],
)
def test_what_is_no_value_of_a_column_makes_no_sql(column: Column, value: str) -> None:
    """A checkpoint that somebody changed cannot put words into a statement."""
    with pytest.raises(ChangeUnreadable, match="no value of the column a"):
        _ = literal(column, value)


def test_the_rows_behind_a_key_are_bounded_by_its_first_column() -> None:
    """An index is used for that; the row comparison as SQL has it would use none."""
    columns = [Column("a", Kind.INTEGER), Column("b`", Kind.TEXT, charset="latin1")]
    assert behind(columns, (1, "é")) == ("`a` >= 1 AND ((`a` > 1) OR (`a` = 1 AND `b``` > _latin1 X'e9'))")
    assert behind(columns[:1], (1,)) == "`a` > 1"


def test_members_are_read_with_their_quotes_and_commas() -> None:
    """As information_schema writes them."""
    assert enum_members("enum('a','it''s','x,y','')") == ("a", "it's", "x,y", "")

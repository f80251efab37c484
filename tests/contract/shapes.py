"""How each table of the suite names and types things, so that one text of a case does for every mapping and view.

A `Form` is one table: its key, its indexes and where it keeps four attributes that a mapping may change (`phase` is
nested or not, `amount` and `weight` are a text or a number, `note` has another name). A `Shape` is a form with the
names of one world and the partition keys of one case; cases say what they mean (`table.item(3, amount=5)`) and the
shape says it in the caller's own terms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from crossfade import Index, Migration, Table
from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping.suffix import shard
from crossfade.mapping import (
    Piece,
    convert,
    derive_key,
    identity,
    join,
    move,
    number_to_text,
    rename,
    set_default,
    suffix,
    text_to_number,
)
from crossfade.migration import Strategy
from tests.contract.steps import Op, Request

SUFFIXES: Final = 4
SCOPES: Final = ("local", "global")  # of indexes
BUCKET: Final = 2  # of the suffixed partition that the target view of the suffix mapping works in
FILLERS: Final = "abcdefghijklmnopqrstuvwxyz"
View = Literal["source", "target"]
OWN_KEY: Final = (
    derive_key("guid", by=("customer", "order_id"), namespace="0b9d62b5-6d31-4f0a-8c0e-3f6a3e9d1f52"),
    rename("note", "remark"),
)


@dataclass(frozen=True, slots=True)
class Form:
    """One table: the source's or the target's."""

    stem: str  # of its name
    partition: str = "customer"
    partition_text: str = "{}"
    sort: str = "order_id"
    sort_kind: Literal["S", "N"] = "S"
    sort_prefix: str = ""  # a constant text that every sort key begins with
    bucket: int | None = None  # sort keys are chosen so that their items belong into this suffixed partition
    phase: tuple[str, ...] = ("info", "phase")
    amount_kind: Literal["S", "N"] = "S"
    weight_kind: Literal["S", "N"] = "N"
    note: str = "note"
    group_index: str = "by_group"
    note_index: str = "by_note"
    score_index: str = "by_score"
    parts_index: str = "by_parts"
    old_key_index: str = "by_old_key"
    strongly: bool = True  # whether its partitions can be read strongly consistent in every stage
    turned: bool = False  # whether those of its indexes are narrow that are wide in the other table, and the reverse
    own_key: str = (
        ""  # the key, where it is an attribute of its own; the partition and the sort key are then an index's
    )

    def key(self) -> dict[str, Literal["S", "N", "B"]]:
        return {self.own_key: "S"} if self.own_key else self.old_key()

    def old_key(self) -> dict[str, Literal["S", "N", "B"]]:
        return {self.partition: "S", self.sort: self.sort_kind}

    def indexes(self) -> dict[str, dict[str, Literal["S", "N", "B"]] | Index]:
        return {
            self.group_index: {"grp": "S", "score": "N"},
            self.note_index: {self.note: "S"},
            self.score_index: {self.partition: "S", "score": "N"},
            self.parts_index: Index(partition={"grp": "S", self.note: "S"}, sort={"year": "N", "part": "S"}),
            **({self.old_key_index: self.old_key()} if self.own_key else {}),
            **{name: {self.partition: "S", "rank": "N"} for name in self.projected("local")},
            **{name: {"team": "S", "rank": "N"} for name in self.projected("global")},
        }

    def projected(self, scope: str) -> tuple[str, str, str, str]:
        """The names of four indexes, which end in what they hold (PROJECTIONS)."""
        one, two = ("keys", "all") if self.turned else ("all", "keys")
        return f"{scope}_keys", f"{scope}_some", f"{scope}_one_{one}", f"{scope}_two_{two}"

    def table(self, token: str) -> Table:
        return Table(f"{self.stem}-{token}", key=self.key(), indexes={**self.indexes()})


@dataclass(frozen=True, slots=True)
class Kind:
    """One mapping with the forms of its two tables."""

    source: Form
    target: Form
    pieces: tuple[Piece, ...]
    called_otherwise: Mapping[str, str] = field(default_factory=dict[str, str])  # indexes
    views: tuple[View, ...] = ("source", "target")
    strategies: tuple[Strategy, ...] = ("dual-write", "copy-on-write")
    earlier: Form | None = None  # of a chain: the table that callers name; its migration to the source is complete
    earlier_pieces: tuple[Piece, ...] = ()

    @property
    def index_names(self) -> dict[str, str]:
        """Of the source -> of the target, where they differ."""
        return {**renamed(self.source, self.target), **self.called_otherwise}

    @property
    def is_chain(self) -> bool:
        return self.earlier is not None

    @property
    def moves_partitions(self) -> bool:
        """Whether a partition key is another value in the target, so that a Scan meets partitions in another order."""
        source, target = self.source, self.target
        return self.is_chain or (source.partition_text, source.bucket, source.own_key) != (
            target.partition_text,
            target.bucket,
            target.own_key,
        )

    def form(self, view: View) -> Form:
        """The table that callers name."""
        return self.target if view == "target" else self.earlier or self.source

    def migration(self, token: str, strategy: Strategy = "dual-write") -> Migration:
        """The tables' names end with `token`, which tells worlds apart."""
        return Migration(
            name=f"contract-{token}",
            source=self.source.table(token),
            target=self.target.table(token),
            mapping=list(self.pieces),
            strategy=strategy,
            control_table=f"control-{token}",
            indexes=self.index_names,
        )

    def earlier_migrations(self, token: str) -> list[Migration]:
        """Of a chain: the one that is complete."""
        if self.earlier is None:
            return []
        return [
            Migration(
                name=f"contract-earlier-{token}",
                source=self.earlier.table(token),
                target=self.source.table(token),
                mapping=list(self.earlier_pieces),
                strategy="copy-on-write" if self.source.own_key else "dual-write",
                control_table=f"control-{token}",
                indexes=renamed(self.earlier, self.source),
            )
        ]


def renamed(source: Form, target: Form) -> dict[str, str]:
    """Indexes that hold another part of an item in the other table, and are called so."""
    names = [(name, there) for scope in SCOPES for name, there in zip(*of_both(source, target, scope), strict=True)]
    return {name: there for name, there in names if name != there}


def of_both(source: Form, target: Form, scope: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return source.projected(scope), target.projected(scope)


KINDS: Final[dict[str, Kind]] = {
    "identity": Kind(Form("orders"), Form("orders-v2", turned=True), (identity(),)),
    "suffix": Kind(
        Form("orders"),
        Form("orders-v2", partition_text=f"{{}}#{BUCKET}", bucket=BUCKET, turned=True),
        (suffix("customer", count=SUFFIXES, by="order_id"),),
    ),
    "reshape": Kind(
        Form("orders", partition="account", sort="seq", sort_kind="N"),
        Form(
            "orders-v2",
            partition="pk",
            partition_text="ORDER#{}",
            sort="sk",
            sort_kind="N",
            phase=("phase",),
            amount_kind="N",
            weight_kind="S",
            note="remark",
            group_index="by_group_v2",
            turned=True,
        ),
        (
            set_default("kind", "ORDER"),
            join(("kind", "account"), into="pk"),
            rename("seq", "sk"),
            move("info.phase", "phase"),
            convert("amount", text_to_number),
            convert("weight", number_to_text),
            rename("note", "remark"),
        ),
        {"by_group": "by_group_v2"},
    ),
    # Beside other things of a customer, that have other texts before their keys.
    "prefix": Kind(
        Form("orders"),
        Form("orders-v2", partition="pk", sort="sk", sort_prefix="ORDER#"),
        (set_default("kind", "ORDER"), join(("kind", "order_id"), into="sk"), rename("customer", "pk")),
    ),
    # Who speaks of the target passes both keys, which no plain table takes.
    "rekeyed": Kind(
        Form("orders", strongly=False),
        Form("orders-v2", own_key="guid", note="remark", turned=True),
        OWN_KEY,
        views=("source",),
        strategies=("copy-on-write",),
    ),
    # Callers speak of the first of three tables; its migration to the second is complete.
    "chain": Kind(
        Form("orders-v2", turned=True),
        Form("orders-v3", phase=("phase",), amount_kind="N", note="remark", group_index="by_group_v3"),
        (move("info.phase", "phase"), convert("amount", text_to_number), rename("note", "remark")),
        {"by_group": "by_group_v3"},
        views=("source",),
        earlier=Form("orders"),
        earlier_pieces=(suffix("customer", count=SUFFIXES, by="order_id"),),
    ),
    "chain-key": Kind(
        Form("orders-v2", own_key="guid", note="remark", turned=True),
        Form("orders-v3", own_key="guid", note="remark", phase=("phase",), amount_kind="N"),
        (move("info.phase", "phase"), convert("amount", text_to_number)),
        views=("source",),
        strategies=("copy-on-write",),
        earlier=Form("orders", strongly=False),
        earlier_pieces=OWN_KEY,
    ),
}


def text(value: str) -> AttributeValue:
    return {"S": value}


def number(value: object) -> AttributeValue:
    return {"N": str(value)}


VALUES: Final[dict[str, AttributeValue]] = {
    ":zero": number(0),
    ":one": number(1),
    ":two": number(2),
    ":three": number(3),
    ":ten": number(10),
    ":minus": number("-3.5"),
    ":huge": number("9.99E+125"),
    ":digits": number("1234567890123456789012345678901234567.8"),
    ":fraction": number("0." + "1" * 38),
    ":text": text("text"),
    ":te": text("te"),
    ":x": text("x"),
    ":z": text("z"),
    ":empty": text(""),
    ":open": text("open"),
    ":closed": text("closed"),
    ":note": text("another note"),
    ":true": {"BOOL": True},
    ":false": {"BOOL": False},
    ":null": {"NULL": True},
    ":bytes": {"B": b"\x00\xff"},
    ":list": {"L": [text("x"), number(2)]},
    ":no_list": {"L": []},
    ":map": {"M": {"a": number(1), "b": {"M": {"c": text("deep")}}}},
    ":no_map": {"M": {}},
    ":ss": {"SS": ["x", "y"]},
    ":s_x": {"SS": ["x"]},
    ":ns": {"NS": ["1", "2.5"]},
    ":bs": {"BS": [b"\x01", b"\x02"]},
    ":kind_s": text("S"),
    ":kind_n": text("N"),
    ":kind_m": text("M"),
    ":kind_ss": text("SS"),
    ":kind_bad": text("TEXT"),
    ":low": number(96),  # scores
    ":2020": number(2020),
    ":2021": number(2021),
    ":2022": number(2022),
    ":b": text("b"),
    ":by": text("by"),
    ":bx": text("bx"),
    ":high": number(98),
    ":soon": number(4102444800),
}

NAMES: Final = {
    "#t": "t",
    "#n": "n",
    "#size": "size",
    "#dot": "a.b",
    "#m": "m",
    "#b": "b",
    "#c": "c",
    "#none": "absent",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The caller's table in one world, for one case. Calling it makes an operation on that table."""

    form: Form
    token: str
    prefix: str

    @property
    def name(self) -> str:
        return f"{self.form.stem}-{self.token}"

    @property
    def other(self) -> str:
        """Another table, with the key `id`, which nobody migrates."""
        return f"others-{self.token}"

    # --- keys and values

    def partition(self, p: int = 0) -> AttributeValue:
        return text(self.form.partition_text.format(f"{self.prefix}-{p}"))

    def sort(self, n: int) -> AttributeValue:
        return number(n) if self.form.sort_kind == "N" else self.sort_text(f"s{n:03d}")

    def sort_text(self, start: str) -> AttributeValue:
        """A text that starts so; in the target view of the suffix mapping one that belongs into the partition."""
        if self.form.bucket is None:
            return text(self.form.sort_prefix + start)
        ends = (a + b for a in FILLERS for b in FILLERS)
        return next(found for end in ends if shard([found := text(start + end)], SUFFIXES) == self.form.bucket)

    def key(self, n: int, p: int = 0) -> Item:
        return {self.form.partition: self.partition(p), self.form.sort: self.sort(n)}

    def group(self, g: int = 0) -> AttributeValue:
        return text(f"{self.prefix}-g{g}")

    def noted(self, n: int) -> AttributeValue:
        """The note of item `n`, by which its index finds it."""
        return text(f"{self.prefix} note {n}")

    def amount(self, value: object) -> AttributeValue:
        return {self.form.amount_kind: str(value)}

    def weight(self, value: object) -> AttributeValue:
        return {self.form.weight_kind: str(value)}

    def item(self, n: int, p: int = 0, /, *, phase: str | None = None, **more: AttributeValue) -> Item:
        """An item with what is asked for; `amount`, `weight` and `note` under the form's names."""
        item = self.key(n, p)
        info: Item = {"code": number(n)}
        if phase is not None:
            if len(self.form.phase) > 1:
                info["phase"] = text(phase)
            else:
                item["phase"] = text(phase)
        item["info"] = {"M": info}
        for name, value in more.items():
            item[self.form.note if name == "note" else name] = value
        return item

    def dated(self, n: int, p: int = 0) -> Item:
        """An item of the index of several attributes: three a year, in the order of `n`."""
        year, part = 2020 + n // 3, text("abc"[n % 3] + "x")
        return self.rich(n, p) | {
            "grp": self.group(1), self.form.note: self.noted(0), "year": number(year), "part": part
        }  # fmt: skip

    def rich(self, n: int, p: int = 0) -> Item:
        """An item with an attribute of every type."""
        return self.item(
            n,
            p,
            phase="open",
            amount=self.amount(10 * n),
            weight=self.weight(f"{n}.5"),
            note=self.noted(n),
            grp=self.group(n % 2),
            score=number(100 - n),
            n=number(n),
            t=text("text"),
            b={"B": b"\x00\x01\xff"},
            flag={"BOOL": True},
            nothing={"NULL": True},
            l={"L": [text("zero"), number(1), {"M": {"deep": text("two")}}]},
            m={"M": {"a": number(1), "b": {"M": {"c": text("inner")}}}},
            ss={"SS": ["x", "y"]},
            ns={"NS": ["1", "2.5", "-3"]},
            bs={"BS": [b"\x01", b"\x02"]},
        )

    # --- requests

    def path(self, text_with_fields: str) -> str:
        """The text with `{phase}`, `{amount}`, `{weight}`, `{note}`, `{p}`, `{s}` as this table calls them."""
        form = self.form
        return text_with_fields.format(
            phase=".".join(form.phase), amount="amount", weight="weight", note=form.note, p=form.partition, s=form.sort
        )

    def values(self) -> dict[str, AttributeValue]:
        """What the placeholders of expressions stand for."""
        return {
            **VALUES,
            **{f":s{n}": self.sort(n) for n in range(10)},
            **{f":p{p}": self.partition(p) for p in range(3)},
            **{f":g{g}": self.group(g) for g in range(2)},
            ":noted": self.noted(1),
            ":dated": self.noted(0),
            ":amount": self.amount(50),
            ":amount_1": self.amount(10),
            ":weight": self.weight("7.25"),
            ":start": self.sort_text("s0"),
            ":start00": text(f"{self.form.sort_prefix}s00"),
        }

    def request(self, **parameters: Any) -> Request:
        """A request on this table, its expressions put into its terms and their placeholders filled in."""
        written = {
            name: self.path(value) if name.endswith("Expression") and isinstance(value, str) else value
            for name, value in parameters.items()
        }
        texts = " ".join(value for name, value in written.items() if name.endswith("Expression") and value)
        values, known = self.values(), {**NAMES, "#s": self.form.sort, "#p": self.form.partition}
        used = {name: values[name] for name in re.findall(r":\w+", texts) if name in values}
        names = {name: known[name] for name in re.findall(r"#\w+", texts) if name in known}
        made: Request = {"TableName": self.name, **written}
        if used and "ExpressionAttributeValues" not in written:
            made["ExpressionAttributeValues"] = used
        if names and "ExpressionAttributeNames" not in written:
            made["ExpressionAttributeNames"] = names
        return {name: value for name, value in made.items() if value is not None}

    def __call__(self, operation: str, **parameters: Any) -> Op:
        """An operation on this table; a parameter that is None is left out."""
        return Op(operation, self.request(**parameters))

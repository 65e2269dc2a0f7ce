"""The encodings that a hint names, the likeliest first, and that following it gives the rows."""

from __future__ import annotations

import re

import pytest

from bigdata_cli import convert
from bigdata_cli.errors import DataError
from bigdata_cli.io.encoding import likely_encodings

SAMPLES = {
    "cp1252": "José;Müller;façade;30 °C;€ 12;it’s – “so”\nSão Paulo;Ångström;½;£5;naïve;señor\n",
    "cp1250": "Łódź;Kraków;Gdańsk;święto;żółty;ćma\nPříliš;žluťoučký;kůň;úpěl;ďábelské\n",
    "cp1251": "Москва;Санкт-Петербург;Новосибирск\nцена;количество;название товара\n",
    "koi8-r": "москва;петербург;новосибирск\nцена;количество;название товара\n",
    "shift_jis": "東京都;大阪府;カタカナ;ひらがな\n株式会社;電話番号;住所\n",
    "big5": "臺北市;高雄市;景點編號\n電話號碼;開放時間;地址\n",
    "gb18030": "北京市;上海市;广州市;深圳市\n公司名称;电话号码;地址\n",
}
SAME = {"cp1252": ("cp1252",), "big5": ("big5", "cp950"), "gb18030": ("gb18030", "gb2312", "gbk")}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_the_likeliest_is_what_it_was_written_in(encoding):
    found = likely_encodings(SAMPLES[encoding].encode(encoding))
    assert found[0] in SAME.get(encoding, (encoding,))
    assert not any(name.startswith("utf") for name in found)


def test_latin_1_is_read_as_cp1252_which_holds_it():
    text = "Málaga;Köln;Orléans\nEspaña;Österreich;Besançon\n"
    found = likely_encodings(text.encode("latin-1"))
    assert text.encode("latin-1").decode(found[0]) == text


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "cp1251"])
def test_a_hint_that_is_followed_gives_the_rows(tmp_path, encoding):
    source = tmp_path / "x.csv"
    word = SAMPLES[encoding].partition(";")[0]
    rows = "".join(f"{i};{name}\n" for i in range(40) for name in ("a", word))
    source.write_bytes(b"id;name\n" + rows.encode(encoding))
    with pytest.raises(DataError) as caught:
        convert(source, to="parquet", output=tmp_path / "o", delimiter=";")
    named = re.search(r"encoding[ =]\"?([\w-]+)", caught.value.hint)
    report = convert(
        source,
        to="parquet",
        output=tmp_path / "o",
        delimiter=";",
        encoding=named[1],
        on_bad_row="skip",
    )
    assert report.rows >= 80


def test_a_byte_far_down_is_looked_at(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" * 5_000_000 + "José,1\n".encode("cp1252"))
    assert likely_encodings(path)[0] == "cp1252"


def test_data_that_are_cut_within_a_character():
    """The beginning of a file need not end with a whole character."""
    data = SAMPLES["big5"].encode("big5") * 100
    for cut in range(1, 6):
        assert likely_encodings(data[:-cut])[0] in SAME["big5"]

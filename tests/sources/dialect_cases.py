"""Beginnings of files and the dialect that a careful reader finds in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A file's beginning and what it is; quote is "any" where the text has none."""

    name: str
    text: str
    delimiter: str
    header: bool
    quote: str | None = '"'
    trim: bool = False
    escape: str | None = None


def rows(pattern: str, n: int = 12) -> str:
    """`n` lines of a pattern with `{i}`, the number of the line from 1, and multiples of it."""
    return "".join(
        pattern.format(i=i, j=i * 7 % 10, k=i * 37 % 101, w=_WORDS[i % len(_WORDS)]) + "\n"
        for i in range(1, n + 1)
    )


_WORDS = ("alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa")
_CENSUS = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Male, 2174, <=50K\n"
    "50, Self-emp-not-inc, 83311, Bachelors, 13, Married, Exec-managerial, Male, 0, <=50K\n"
    "38, Private, 215646, HS-grad, 9, Divorced, Handlers-cleaners, Male, 0, <=50K\n"
    "53, Private, 234721, 11th, 7, Married, Handlers-cleaners, Male, 0, >50K\n"
)
_PROSE = (
    "I went down yesterday to the harbour with a friend.\n"
    "It was early, and nobody was about.\n"
    "We saw three boats, two of them with nets.\n"
    "Nothing else happened.\n"
    "On the way back it rained.\n"
    "My friend said that he would come again\n"
)

CASES = (
    Case("comma", "id,name,amount\n" + rows("{i},{w},{k}.5"), ",", True),
    Case("semicolon", "id;name;amount\n" + rows("{i};{w};{k}.5"), ";", True),
    Case("tab", "id\tname\tamount\n" + rows("{i}\t{w}\t{k}.5"), "\t", True),
    Case("pipe", "id|name|amount\n" + rows("{i}|{w}|{k}.5"), "|", True),
    Case("space", "1.5 2.5 3.5\n" + rows("{i}.25 {j}.5 {k}.75"), " ", False),
    Case("space with a header", "x y z\n" + rows("{i} {j} {k}"), " ", True),
    Case("decimal comma", "id;price;size\n" + rows("{i};{k},50;{j},25"), ";", True),
    Case("decimal comma, no header", rows("{i};{k},50;{j},25"), ";", False),
    Case("decimal comma, two columns", "price;size\n" + rows("{k},50;{j},25"), ";", True),
    Case("decimal comma, tabs", "id\tprice\n" + rows("{i}\t{k},50"), "\t", True),
    Case(
        "a sentence with commas in a tab file",
        "id\ttext\n" + rows("{i}\tHello, {w}, how are you, today?"),
        "\t",
        True,
    ),
    Case(
        "commas in some fields of a tab file",
        "id\tname\tcity\n1\tDoe, John\tParis\n2\tRoe, Jane\tRome\n3\tSolo\tOslo\n",
        "\t",
        True,
    ),
    Case(
        "commas in the quoted fields of a semicolon file",
        'id;name;note\n1;"Doe, John";"a, b, c"\n2;"Roe, J.";"d, e, f"\n3;"Poe, Edgar";"g, h, i"\n',
        ";",
        True,
    ),
    Case(
        "semicolons in the quoted fields of a comma file",
        'id,name,tags\n1,Ann,"a;b;c"\n2,Bob,"d;e;f"\n3,Cyd,"g;h;i"\n',
        ",",
        True,
    ),
    Case(
        "quoted newlines",
        'id,note\n1,"first\nsecond, third\nfourth"\n2,"one\n\ntwo"\n3,plain\n4,"x, y\nz"\n',
        ",",
        True,
    ),
    Case("every field quoted", '"a","b","c"\n' + rows('"{i}","{w}","{k}"'), ",", True),
    Case("every field quoted, semicolons", '"a";"b"\n' + rows('"{i}";"{w}, {w}"'), ";", True),
    Case(
        "doubled quotes",
        'id,said\n1,"She said ""no, never"" twice"\n2,"He said ""yes"""\n3,"nothing"\n',
        ",",
        True,
    ),
    Case(
        "backslash escapes of quotes",
        'id,said\n1,"She said \\"no, never\\" twice"\n2,"He said \\"yes, yes\\""\n'
        '3,"and \\"so\\" on"\n',
        ",",
        True,
        escape="\\",
    ),
    Case(
        "backslashes that escape nothing",
        "id,path,user\n1,C:\\temp\\a.txt,ann\n2,C:\\temp\\b.txt,bob\n3,\\N,cyd\n",
        ",",
        True,
    ),
    Case("single quotes", "id,name\n" + rows("{i},'{w}, {k}'"), ",", True, quote="'"),
    Case(
        "apostrophes are no quotes",
        "name,county,n\nJim,Prince George's,1\nAnn,St. Mary's,2\nBob,Queen Anne's,3\n",
        ",",
        True,
    ),
    Case("census: a space after each comma", _CENSUS, ",", False, trim=True),
    Case(
        "a space after each comma, quoted",
        'id, name, note\n1, "Doe, John", "x"\n2, "Roe, Jane", "y"\n3, "Poe, E", "z"\n',
        ",",
        True,
        trim=True,
    ),
    Case("a space after each semicolon", "a; b; c\n" + rows("{i}; {w}; {k}"), ";", True, trim=True),
    Case("padded pipes", "a | b | c\n" + rows("{i} | {w} | {k}"), "|", True, trim=True),
    Case(
        "a space in one text field only",
        "id,first,last\n1, Ann,Lee\n2,Bob,Ray\n3, Cyd,Fox\n4,Dan,Orr\n",
        ",",
        True,
    ),
    Case("one column of integers", "n\n" + rows("{k}"), ",", True),
    Case("one column of integers, no header", rows("{k}"), ",", False),
    Case("one column of words", "name\nann\nbob\ncyd\ndan\n", ",", True),
    Case(
        "one column of names with spaces",
        "name\nAnn Lee\nBob Ray\nCyd Fox\nDan Orr\nEve Poe\n",
        ",",
        True,
    ),
    Case(
        "one column of dates and times",
        "when\n2020-01-01 10:00:00\n2020-01-02 11:30:00\n2020-01-03 12:45:10\n",
        ",",
        True,
    ),
    Case("one column, quoted", 'title\n"One, two"\n"Three, four"\n"Five, six"\n', ",", True),
    Case("one quoted column of sentences", 'text\n"a b, c"\n"d, e; f"\n"g"\n', ",", True),
    Case(
        "one column of emails",
        "email\nann@example.org\nbob.ray@example.org\ncyd@example.com\n",
        ",",
        True,
    ),
    Case("two columns with timestamps", "when,n\n" + rows("2020-01-01 10:0{j}:00,{i}"), ",", True),
    Case(
        "timestamps and names with spaces",
        "when,who\n" + rows("2020-01-01 10:0{j}:00,Ann Lee"),
        ",",
        True,
    ),
    Case("one row of data", "a,b,c\n1,2,3\n", ",", True),
    Case("only a header", "id,name,amount\n", ",", True),
    Case("only a header of semicolons", "id;name;amount\n", ";", True),
    Case("only numbers in one row", "1,2,3\n", ",", False),
    Case("decimal comma in one row", "1,5;2,5;3,5\n", ";", False),
    Case("crlf", "id,name\r\n" + rows("{i},{w}").replace("\n", "\r\n"), ",", True),
    Case("cr only", ("id;name\n" + rows("{i};{w}")).replace("\n", "\r"), ";", True),
    Case("blank lines between", "a;b\n\n" + rows("{i};{k}\n"), ";", True),
    Case("many empty fields", "a,b,c,d,e\n" + rows("{i},,,,") + rows(",,{k},,"), ",", True),
    Case("nulls as \\N", rows("{i},\\N,{w},{k}"), ",", False),
    Case("prices with thousands, quoted", "id,price\n" + rows('{i},"{i},{k}00.00"'), ",", True),
    Case("json in a tab file", "id\tdata\n" + rows('{i}\t{{"a": {k}, "b": [1, 2]}}'), "\t", True),
    Case(
        "json quoted in a comma file",
        "id,data\n" + rows('{i},"{{""a"": {k}, ""b"": [1, 2]}}"'),
        ",",
        True,
    ),
    Case("urls", "id,url\n" + rows("{i},https://example.org/a?x=1&y=2;z=|{k}"), ",", True),
    Case("lists in pipes", "id,tags,n\n" + rows("{i},a|b|c,{k}"), ",", True),
    Case("key-value pairs", "id;pairs\n" + rows("{i};a=1,b=2,c={k}"), ";", True),
    Case(
        "coordinates in text",
        "name|place\n" + rows("{w}|{i}.5, {k}.25"),
        "|",
        True,
    ),
    Case("dates by slashes", "day,n\n" + rows("01/0{j}/2020,{k}"), ",", True),
    Case("times with colons", "t;v\n" + rows("10:0{j}:30;{k}"), ";", True),
    Case("non-ASCII text", "stadt;größe\nKöln;1,5\nMünchen;2,5\nZürich;0,5\n", ";", True),
    Case(
        "all text, with a header",
        "name,city,job\nAnn Lee,Paris,clerk\nBob Ray,Rome,cook\nCyd Fox,Oslo,smith\n",
        ",",
        True,
    ),
    Case(
        "codes, no header",
        "2B,AER,KZN,CR2\n2B,ASF,KZN,CR2\n2B,ASF,MRV,CR2\n2B,CEK,KZN,CR2\n",
        ",",
        False,
    ),
    Case(
        "numbers as names of columns",
        "country,2019,2020,2021\nA,1.5,2.5,3.5\nB,4.5,5.5,6.5\nC,1.25,2.25,3.25\n",
        ",",
        True,
    ),
    Case("a blank name in the header", ",x,y\n" + rows("{i},{j},{k}"), ",", True),
    Case("a repeated name in the header", "x,y,x\n" + rows("{i},{j},{k}"), ",", True),
    Case(
        "some text rows are long",
        "id,text,n\n" + rows('{i},"He, she, it, they; {w}. And so on, and on",{k}'),
        ",",
        True,
    ),
    Case("prose", _PROSE, ",", False),
    Case(
        "log lines in quotes",
        "time,level,message\n" + rows("2020-01-01T00:00:0{j},INFO,done with {w} in {k} ms"),
        ",",
        True,
    ),
    Case("unquoted inches", 'id,size\n1,5"\n2,7"\n3,12"\n4,9"\n', ",", True),
    Case("two semicolon fields, comma decimals in both", rows("{i},5;{k},25"), ";", False),
    Case(
        "mixed decimals and lists",
        "id;values\n1;1,2,3\n2;4,5,6\n3;7,8,9\n4;1,5,9\n",
        ";",
        True,
    ),
)

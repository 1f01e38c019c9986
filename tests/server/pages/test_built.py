"""The pages that the server finds in its folder."""

from pathlib import Path

from server.pages.built import Asset, BuiltPages, read_built_pages


def test_pages_and_assets_are_read_with_their_compressed_forms(tmp_path: Path) -> None:
    assets = tmp_path / "built" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "built" / "graphiql.html").write_text("<p>GraphiQL", encoding="utf-8")
    for name in ("a-1.js", "a-1.js.br", "a-1.js.gz", "b-2.css", "notes.txt"):
        (assets / name).write_text(name, encoding="utf-8")

    built = read_built_pages(tmp_path)

    script, style = assets / "a-1.js", assets / "b-2.css"
    forms = {"br": assets / "a-1.js.br", "gzip": assets / "a-1.js.gz"}
    assert built == BuiltPages(
        {"graphiql": "<p>GraphiQL"},
        {
            "a-1.js": Asset(script, "text/javascript; charset=utf-8", forms),
            "b-2.css": Asset(style, "text/css; charset=utf-8", {}),
        },
    )


def test_a_folder_without_a_build_has_no_pages_and_says_so(tmp_path: Path) -> None:
    assert read_built_pages(tmp_path) == BuiltPages({}, {}, "The pages have not been built.")


def test_the_failure_of_a_build_is_the_problem_also_beside_older_pages(tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "graphiql.html").write_text("<p>older", encoding="utf-8")
    (tmp_path / "build_failure.txt").write_text("bundling failed: no space\n", encoding="utf-8")

    assert read_built_pages(tmp_path) == BuiltPages({"graphiql": "<p>older"}, {}, "bundling failed: no space")

from deploy.releases import Release, Releases


def test_secrets_of_a_release_are_kept_for_the_owner_and_never_shown(tmp_path):
    path = tmp_path / "releases.json"
    settings = {"OCR_CACHE_SECRET": "s3cret-s3cret-s3cret", "OCR_MODEL": "small"}
    releases = Releases(path)

    releases.push("ocr", releases.next("ocr", settings, None))

    assert Releases(path).current("ocr").settings == settings
    assert path.stat().st_mode & 0o077 == 0
    assert str(releases.current("ocr")) == "release 1 (OCR_CACHE_SECRET=…, OCR_MODEL=small)"


def test_address_with_a_password_is_not_shown():
    shown = str(Release(2, {"OCR_CACHE_REDIS_URL": "redis://user:word@host"}))

    assert "word" not in shown

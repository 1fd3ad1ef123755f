"""Providers that a site has set up for its openssl, such as FIPS, are kept and named."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from opensslgen.openssl import command, provider
from opensslgen.openssl.command import OpenSSLError

from .conftest import opensslgen, start_with_subprocess

SITE = """openssl_conf = init
[init]
providers = set
{algorithms}
[set]
default = on
legacy = on
{more}
[on]
activate = 1
"""


@pytest.fixture
def site(tmp_path, monkeypatch, openssl):
    """Write a site's config, name it in OPENSSL_CONF, and return its path; `legacy` stands in for FIPS."""
    if not openssl.can("providers"):
        pytest.skip("openssl before version 3 has no providers")

    def write(text):
        (tmp_path / "site.cnf").write_text(text)
        monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "site.cnf"))
        return tmp_path / "site.cnf"

    return write


def test_providers_that_a_site_has_set_up_are_kept_and_named(site):
    config = site(SITE.format(algorithms="", more=""))
    found = provider.find()
    assert found.conf == str(config)
    assert [name.split(" Provider")[0] for name in found.providers] == ["OpenSSL Default", "OpenSSL Legacy"]
    assert not found.fips
    assert b"status: active\n  legacy\n" in found.run(["list", "-providers"]).stdout
    done = opensslgen("root", "--cn", "Test root", "--key-type", "p-256")
    assert f"Note: keys and signatures come from the providers of {config}: OpenSSL Default" in done.stderr
    assert f"the providers of {config}: OpenSSL Default" in opensslgen("doctor").stdout


@pytest.mark.parametrize(
    "asks",
    [SITE.format(algorithms="", more="fips = on"), "openssl_conf = init\n[alg]\ndefault_properties = fips=yes\n"],
)
def test_fips_that_is_asked_for_and_not_loaded_stops_all_work_with_keys(asks, site, monkeypatch, tmp_path):
    config = site(asks)
    monkeypatch.setenv("OPENSSL_MODULES", str(tmp_path))
    script = opensslgen("root", "--cn", "Test root", "--script").stdout
    by_script = subprocess.run(["dash", "/dev/stdin"], input=script, capture_output=True, text=True)
    for done in (opensslgen("root", "--cn", "Test root"), by_script):
        assert done.returncode == 1
        assert f"{config} asks for FIPS, but " in done.stderr
    assert not (tmp_path / "pki").exists()
    assert "asks for FIPS" in opensslgen("doctor").stdout
    monkeypatch.setenv("OPENSSL_CONF", "/dev/null")
    assert opensslgen("doctor").returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[garbage\n",
        SITE.format(algorithms="", more="# fips = on").replace("legacy = on\n", ""),
        ".include fips.cnf\n",
    ],
)
def test_a_config_without_providers_of_its_own_stays_out(text, site):
    site(text)
    assert (provider.find().conf, provider.find().providers) == ("/dev/null", ())


def test_a_script_keeps_the_providers_as_well(site, tmp_path):
    config = site(SITE.format(algorithms="", more=""))
    script = opensslgen("root", "--cn", "Test root", "--key-type", "p-256", "--script").stdout
    spy = tmp_path / "openssl"
    spy.write_text('#!/bin/sh\necho "$OPENSSL_CONF $1" >>"$0.log"\nexec openssl "$@"\n')
    spy.chmod(0o755)
    done = subprocess.run(
        ["dash", "/dev/stdin"],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, "OPENSSLGEN_OPENSSL": str(spy)},
    )
    assert done.returncode == 0, done.stderr
    assert f"come from the providers of {config}: default legacy" in done.stderr
    assert f"{config} req" in (tmp_path / "openssl.log").read_text().splitlines()


def test_before_version_3_a_configs_fips_mode_is_kept(fp, openssl, site):
    config = site("openssl_conf = init\n[init]\nalg_section = evp\n[evp]\nfips_mode = yes\n")
    fp.register([openssl.path, "version", fp.any()], stdout="OpenSSL 1.0.2k-fips  26 Jan 2017\n")
    found = provider.settled(command.find(openssl.path, start=start_with_subprocess))
    assert (found.conf, found.fips) == (str(config), True)


def test_what_fips_refuses_is_an_error_with_a_way_out(openssl):
    strict = replace(openssl, fips=True)
    with pytest.raises(OpenSSLError) as caught:
        strict.run(["pkcs12", "-in", "missing"])
    assert "OPENSSL_CONF=/dev/null" in caught.value.hint

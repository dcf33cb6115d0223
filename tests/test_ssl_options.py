"""The settings of TLS: what is read from which files, and what is wrong with them."""

from __future__ import annotations

import logging
import shutil
import ssl
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.certificate import Certificate
from reactorlib.ssl import (
    CertificateOptions,
    ClientContextFactory,
    ContextFactory,
    DefaultOpenSSLContextFactory,
    PrivateCertificate,
    optionsForClientTLS,
)
from reactorlib.testing.certificates import Authority
from reactorlib.tls import context_of
from reactorlib.tlssession import Session
from tests.tlssessions import NAME, options, sessions, shake, shown_to

EXPIRED = datetime(2001, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> PrivateCertificate:
    certificate: PrivateCertificate = authority.issue(NAME, "127.0.0.1")
    return certificate


@pytest.fixture
def copies(own: PrivateCertificate, tmp_path: Path) -> PrivateCertificate:
    """Files that a test may change."""
    key = shutil.copy(own.privateKey, tmp_path / "key.pem")
    return PrivateCertificate(key, shutil.copy(own.certificate, tmp_path / "chain.pem"))


class TestServerOptions:
    def test_they_are_safe(self, own: PrivateCertificate) -> None:
        context = options(own).getContext()
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.verify_mode == ssl.CERT_NONE
        for cipher in context.get_ciphers():
            assert cipher["kea"] in ("kx-ecdhe", "kx-dhe", "kx-any"), cipher["name"]
            assert cipher["aead"] or "SHA" in cipher["name"]

    def test_the_older_name(self, own: PrivateCertificate, authority: Authority) -> None:
        older = DefaultOpenSSLContextFactory(own.privateKey, own.certificate)
        assert shown_to(ClientContextFactory(NAME, authority.root), older, NAME)

    def test_clients_are_asked_for_certificates(
        self, own: PrivateCertificate, authority: Authority
    ) -> None:
        modes = [
            options(own, trustRoot=authority.root, requireCertificate=required)
            .getContext()
            .verify_mode
            for required in (True, False)
        ]
        assert modes == [ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL]

    def test_files_that_are_missing_or_wrong(
        self, copies: PrivateCertificate, authority: Authority
    ) -> None:
        def refused(key: Any, certificate: Any, text: str, **more: Any) -> None:
            with pytest.raises(error.CertificateError, match=text):
                CertificateOptions(key, certificate, **more)

        key, chain = Path(copies.privateKey), Path(copies.certificate)
        refused("nowhere.pem", chain, "nowhere.pem: No such file")
        refused(key, "nowhere.pem", "nowhere.pem: No such file")
        refused(chain, chain, "chain.pem has no private key in PEM")
        refused(key, key, "key.pem has no certificate in PEM")
        refused(key, key.parent, "Is a directory")
        refused(authority.issue("other").privateKey, chain, "does not belong to .*chain.pem")
        refused(key, chain, "nowhere.pem: No such file", trustRoot="nowhere.pem")
        refused(key, chain, "key.pem has no certificate", trustRoot=key)
        broken = key.parent / "broken.pem"
        broken.write_text("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n")
        refused(key, broken, "broken.pem with the key")
        refused(key, chain, "broken.pem", trustRoot=broken)

    def test_an_encrypted_key(self, copies: PrivateCertificate) -> None:
        key, chain = copies.privateKey, copies.certificate
        encrypt = ["openssl", "pkey", "-aes256", "-passout", "pass:secret", "-in", str(key)]
        subprocess.run([*encrypt, "-out", f"{key}.locked"], check=True)
        with pytest.raises(error.CertificateError, match="locked is encrypted: give its password"):
            CertificateOptions(f"{key}.locked", chain)
        with pytest.raises(error.CertificateError, match=r"does not open .*locked"):
            CertificateOptions(f"{key}.locked", chain, "wrong")
        assert CertificateOptions(f"{key}.locked", chain, "secret").getContext()

    def test_a_folder_of_authorities(
        self, own: PrivateCertificate, authority: Authority, tmp_path: Path
    ) -> None:
        shutil.copy(authority.root, tmp_path / "root.pem")
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
        assert shown_to(ClientContextFactory(NAME, tmp_path), options(own), NAME)


class TestReload:
    def renew(self, copies: PrivateCertificate, authority: Authority) -> None:
        renewed = authority.issue(NAME)
        shutil.copy(renewed.privateKey, copies.privateKey)
        shutil.copy(renewed.certificate, copies.certificate)

    def test_new_files_are_shown_after_it(
        self, copies: PrivateCertificate, authority: Authority
    ) -> None:
        server, client = options(copies), ClientContextFactory(NAME, authority.root)
        first = shown_to(client, server, NAME)
        self.renew(copies, authority)
        assert shown_to(client, server, NAME) == first
        server.reload()
        assert shown_to(client, server, NAME) != first

    def test_it_includes_those_for_other_names(
        self, own: PrivateCertificate, copies: PrivateCertificate, authority: Authority
    ) -> None:
        plain = context_of(options(authority.issue("plain.example")))
        server = options(own, names={NAME: options(copies), "plain.example": plain})
        client = ClientContextFactory(NAME, authority.root)
        first = shown_to(client, server, NAME)
        self.renew(copies, authority)
        server.reload()
        assert shown_to(client, server, NAME) != first
        assert shown_to(client, server, "plain.example")

    def test_a_fault_leaves_all_as_it_was(
        self, own: PrivateCertificate, copies: PrivateCertificate, authority: Authority
    ) -> None:
        server = options(copies, names={"other.example": options(own)})
        context = server.getContext()
        Path(copies.privateKey).write_bytes(Path(authority.issue("x").privateKey).read_bytes())
        with pytest.raises(error.CertificateError, match="does not belong"):
            server.reload()
        assert server.getContext() is context

    def test_a_client_trusts_others_after_it(
        self, own: PrivateCertificate, authority: Authority, tmp_path: Path
    ) -> None:
        root = tmp_path / "trusted.pem"
        shutil.copy(Authority(tmp_path).root, root)
        client = ClientContextFactory(NAME, root)
        server, refusing = sessions(options(own), client)
        shake(server, refusing)
        assert isinstance(refusing.fault, error.PeerVerifyError)
        shutil.copy(authority.root, root)
        client.reload()
        assert shown_to(client, options(own), NAME)


class TestNames:
    def test_a_context_that_fails_is_logged(
        self, own: PrivateCertificate, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.ERROR, "reactorlib")
        server = options(own, names={NAME: object()})
        both = sessions(server, ClientContextFactory(NAME, authority.root))
        shake(*both)
        assert isinstance(both[1].fault, error.SSLError)
        assert "internal error" in str(both[1].fault)
        assert NAME in caplog.messages[0]

    def test_a_client_that_names_nobody_gets_the_first(
        self, own: PrivateCertificate, authority: Authority
    ) -> None:
        server = options(own, names={"other.example": options(authority.issue("other.example"))})
        client = ClientContextFactory(None, authority.root).getContext()
        client.check_hostname = False
        both = Session(context_of(server), True, None), Session(client, False, None)
        shake(*both)
        assert not both[1].shaking


class TestClientOptions:
    def test_they_are_safe(self) -> None:
        context = ClientContextFactory().getContext()
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname

    def test_the_systems_trust_store_is_the_default(
        self, own: PrivateCertificate, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
        assert shown_to(ClientContextFactory(), options(own), NAME)
        monkeypatch.setenv("SSL_CERT_FILE", str(own.certificate))
        server, client = sessions(options(own), ClientContextFactory())
        shake(server, client)
        assert isinstance(client.fault, error.PeerVerifyError)

    @pytest.mark.parametrize(
        ("issued", "name"), [({}, "other.example"), ({"not_after": EXPIRED}, NAME)]
    )
    def test_a_wrong_server_is_refused(
        self, authority: Authority, issued: dict[str, Any], name: str
    ) -> None:
        server = options(authority.issue(NAME, **issued))
        both = sessions(server, ClientContextFactory(trustRoot=authority.root), name)
        shake(*both)
        assert isinstance(both[1].fault, error.PeerVerifyError)
        assert isinstance(both[0].fault, error.CertificateError)

    def test_options_for_one_server(self, own: PrivateCertificate, authority: Authority) -> None:
        client = optionsForClientTLS(NAME, authority.root, own, [b"h2"])
        assert client.hostname == NAME
        server = options(own, trustRoot=authority.root, acceptableProtocols=[b"h2"])
        both = sessions(server, client)
        shake(*both)
        assert [each.negotiated_protocol() for each in both] == [b"h2", b"h2"]
        assert both[0].peer_certificate() == both[1].peer_certificate()

    def test_a_name_is_text(self) -> None:
        with pytest.raises(TypeError, match="text, not bytes"):
            optionsForClientTLS(b"server.example")  # type: ignore[arg-type]

    def test_a_subclass_knows_the_files(self) -> None:
        with pytest.raises(NotImplementedError, match="subclass"):
            ContextFactory(1.0)


class TestContextOf:
    def test_renegotiation_is_refused_whatever_it_says(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options &= ~ssl.OP_NO_RENEGOTIATION
        assert context_of(context) is context
        assert context.options & ssl.OP_NO_RENEGOTIATION


class TestCertificate:
    def test_what_it_tells(self, own: PrivateCertificate) -> None:
        pem = Path(own.certificate).read_text()
        certificate = Certificate(ssl.PEM_cert_to_DER_cert(pem), {"version": 3})
        assert certificate == Certificate(certificate.der)
        assert certificate.dumpPEM().decode() == pem
        command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in"]
        told = subprocess.run([*command, str(own.certificate)], capture_output=True, check=True)
        assert told.stdout.strip().endswith(certificate.digest())
        assert len(certificate.digest("sha1")) == 59

"""One side of a TLS conversation: bytes in, bytes out, by the standard library's ssl.

It never sees a transport, a clock or a thread. It holds that:

- How the peer's bytes are divided makes no difference.
- What comes out as plaintext was authenticated; what came before a fault is
  given out, and nothing after it.
- The peer's end is known for certain: `input_over` says that it was announced
  (close_notify), and was not a cut.
- Faults are values of `reactorlib.error`, told by kind; none is raised.
"""

from __future__ import annotations

import ssl

from reactorlib import error
from reactorlib.certificate import Certificate

RECORD = 16_384  # the most that one record carries

# What a peer that speaks something else looks like, by OpenSSL's names.
_NOT_TLS = {
    "BAD_RECORD_TYPE",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_WITHOUT_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
_NO_CIPHER = "NO_SHARED_CIPHER"


class Session:
    """The conversation: `shake` begins it, `receive` and `encrypt` go on.

    After each of these, `output` has what is to be sent. `shaking` is true
    until the hand-shake is done, `input_over` from the peer's close_notify on,
    and `fault` is what ended everything. After either of the latter two,
    nothing must be received any more.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "fault", "input_over", "output_over", "shaking")

    def __init__(self, context: ssl.SSLContext, server_side: bool, hostname: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side, hostname)
        self.shaking = True
        self.input_over = False
        self.output_over = False
        self.fault: Exception | None = None

    def output(self) -> bytes:
        """What is to be sent now, in order; empty for nothing."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shake(self) -> bool:
        """Go on with the hand-shake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as cause:
            self.fault = explained(cause)
            return False
        self.shaking = False
        return True

    def keep(self, ciphertext: bytes) -> None:
        """Take what the peer sent, for the next `receive`."""
        self._incoming.write(ciphertext)

    def receive(self, ciphertext: bytes) -> bytes:
        """Take what the peer sent; the plaintext in it.

        Asking once more only to hear that nothing is there would cost as much as
        the decryption: so it ends when all was taken. OpenSSL keeps a part of a
        record to itself.
        """
        incoming = self._incoming
        incoming.write(ciphertext)
        if self.shaking and not self.shake():
            return b""
        read, pieces = self._tls.read, []
        try:
            while True:
                piece = read(RECORD)
                if not piece:
                    self.input_over = True
                    break
                pieces.append(piece)
                if not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.input_over = True
        except ssl.SSLError as cause:
            self.fault = explained(cause)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, plaintext: bytes | memoryview) -> bytes:
        """The records that carry it."""
        sent = self._tls.write(plaintext)  # OpenSSL may be content with one record
        while sent < len(plaintext):
            sent += self._tls.write(memoryview(plaintext)[sent:])
        return self._outgoing.read()

    def close(self) -> bytes:
        """The announcement that no more will be sent (close_notify)."""
        if not (self.shaking or self.output_over or self.fault):
            self.output_over = True
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                """The peer has not announced the same yet, and need not."""
        return self.output()

    def peer_certificate(self) -> Certificate | None:
        """The other side's certificate, as soon as the hand-shake is done."""
        der = None if self.shaking else self._tls.getpeercert(binary_form=True)
        return None if der is None else Certificate(der, dict(self._tls.getpeercert() or {}))

    def negotiated_protocol(self) -> bytes | None:
        """What ALPN has agreed on."""
        name = self._tls.selected_alpn_protocol()
        return None if name is None else name.encode("ascii")


def explained(cause: ssl.SSLError) -> Exception:
    """The error of this package for one of OpenSSL's, with the same as its cause."""
    explanation = _explained(cause)
    explanation.__cause__ = cause.with_traceback(None)  # whose frames hold the session
    return explanation


def _explained(cause: ssl.SSLError) -> Exception:
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code == _EXPIRED:
            return error.CertificateExpiredError()
        return error.PeerVerifyError(f"its certificate is not accepted: {cause.verify_message}")
    name = cause.reason or str(cause)
    if name == _WITHOUT_CERTIFICATE:
        return error.PeerVerifyError("it has sent no certificate")
    if "_ALERT_" in name:
        return _of_alert(name.partition("_ALERT_")[2])
    if name in _NOT_TLS:
        return error.NotTLSError(string=_words(name))
    if name == _NO_CIPHER:
        return error.SSLError(
            string="there is no cipher that both sides allow, or this side has no certificate"
        )
    return error.SSLError(string=_words(name))


def _of_alert(name: str) -> Exception:
    if "CERTIFICATE" in name or name == "UNKNOWN_CA":
        return error.CertificateError(f"the other side refuses it ({_words(name)})")
    return error.SSLError(string=f"the other side has ended it ({_words(name)})")


def _words(name: str) -> str:
    return name.replace("_", " ").lower()

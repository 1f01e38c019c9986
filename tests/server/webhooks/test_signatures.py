"""Signatures are those of Standard Webhooks."""

from server.webhooks.signatures import sign

#: The example of the reference implementation of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_reference_implementation() -> None:
    assert sign([SECRET], *EXAMPLE) == SIGNATURE


def test_several_secrets_give_several_signatures() -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

    assert sign([other, SECRET], *EXAMPLE) == f"{sign([other], *EXAMPLE)} {SIGNATURE}"
    assert sign([other], *EXAMPLE) != SIGNATURE

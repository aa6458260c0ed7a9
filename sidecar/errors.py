"""The error tree. Every error owns its HTTP status and a stable code; one handler (sidecar.app) maps them to the wire.

RerankError
├── InvalidRequest 400
├── Unauthorized 401
├── RequestTooLarge 413
├── Unprocessable 422
│   └── UnknownProfile 422
├── Overloaded 429            (carries retry_after_s)
├── NotReady 503
│   ├── ScoringFailed 503
│   └── StoreFailed 503
├── DeadlineExceeded 504
└── InvalidModel 500          (at start: a model directory that cannot be served)
"""

from __future__ import annotations


class RerankError(Exception):
    """Base of all errors that callers may see; the message is safe to show."""

    status = 500
    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(RerankError):
    """The body is not JSON or not of the documented shape."""

    status = 400
    code = "invalid_request"


class Unauthorized(RerankError):
    """The bearer token is missing or wrong."""

    status = 401
    code = "unauthorized"


class RequestTooLarge(RerankError):
    """More bytes or more hits than the settings allow."""

    status = 413
    code = "too_large"


class Unprocessable(RerankError):
    """Well-formed, but it cannot be scored (an empty query, say)."""

    status = 422
    code = "unprocessable"


class UnknownProfile(Unprocessable):
    """No model of that name is loaded."""

    code = "unknown_profile"


class Overloaded(RerankError):
    """The work already admitted would make this request late."""

    status = 429
    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReady(RerankError):
    """Starting, draining, or without a model."""

    status = 503
    code = "not_ready"


class ScoringFailed(NotReady):
    """The model raised, answered the wrong count, or a score that is not finite."""

    code = "scoring_failed"


class StoreFailed(NotReady):
    """The document store cannot be written: a full or failing disk."""

    code = "store_failed"


class DeadlineExceeded(RerankError):
    """The deadline passed before the scores were there."""

    status = 504
    code = "deadline_exceeded"


class InvalidModel(RerankError):
    """A model directory that cannot be served: a missing file, a wrong checksum, an unknown format."""

    code = "invalid_model"

"""The IKEv2 notify payloads that carry the ids from encryptor to encryptor (draft 5; RFC 8784).

All are complete payloads, from the next-payload byte on; `next_payload` is the type of the payload that follows, or 0.
"""

from ._core import decode_ppk_identity, decode_use_ppk, encode_ppk_identity, encode_use_ppk

__all__ = ["PPK_IDENTITY", "USE_PPK", "decode_ppk_identity", "decode_use_ppk", "encode_ppk_identity", "encode_use_ppk"]

USE_PPK = 16435
"""The type of the notification that proposes a PPK."""
PPK_IDENTITY = 16436
"""The type of the notification that says which one."""

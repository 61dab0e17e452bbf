package io.github.skipclient

/**
 * The IKEv2 notify payloads that carry the ids from encryptor to encryptor (draft 5; RFC 8784). All
 * are complete payloads, from the next-payload byte on. `nextPayload` is the type of the payload
 * that follows, 1 to 255, or 0 for none.
 */
public object Ikev2 {
    /**
     * `USE_PPK` with the localSystemID of the sender's Key Provider (draft 5, step 3), or empty as in RFC 8784.
     *
     * @throws SkipException.InvalidArgument when the id is invalid
     */
    @JvmStatic
    @JvmOverloads
    @Throws(SkipException::class)
    public fun encodeUsePpk(
        localSystemId: String?,
        nextPayload: Int = 0,
    ): ByteArray =
        translated {
            io.github.skipclient.ffi
                .encodeUsePpk(localSystemId, octet(nextPayload))
        }

    /**
     * The localSystemID of a `USE_PPK`; `null` when there is none.
     *
     * @throws SkipException.InvalidArgument when [payload] is not a `USE_PPK`
     */
    @JvmStatic
    @Throws(SkipException::class)
    public fun decodeUsePpk(payload: ByteArray): String? =
        translated {
            io.github.skipclient.ffi
                .decodeUsePpk(payload)
        }

    /**
     * `PPK_IDENTITY` for a keyId: as text, which every known implementation accepts, or with
     * [asOctets] as the octets of its hexadecimal digits.
     *
     * @throws SkipException.InvalidArgument when the keyId is invalid, or has no octets
     */
    @JvmStatic
    @JvmOverloads
    @Throws(SkipException::class)
    public fun encodePpkIdentity(
        keyId: String,
        asOctets: Boolean = false,
        nextPayload: Int = 0,
    ): ByteArray =
        translated {
            io.github.skipclient.ffi
                .encodePpkIdentity(keyId, asOctets, octet(nextPayload))
        }

    /**
     * The keyId of a `PPK_IDENTITY` that has it as text, or with [asOctets] as octets.
     *
     * @throws SkipException.InvalidArgument when [payload] is not a `PPK_IDENTITY` of that form
     */
    @JvmStatic
    @JvmOverloads
    @Throws(SkipException::class)
    public fun decodePpkIdentity(
        payload: ByteArray,
        asOctets: Boolean = false,
    ): String =
        translated {
            io.github.skipclient.ffi
                .decodePpkIdentity(payload, asOctets)
        }

    private fun octet(nextPayload: Int): UByte {
        require(nextPayload in 0..UByte.MAX_VALUE.toInt()) { "nextPayload must be from 0 to 255, not $nextPayload" }
        return nextPayload.toUByte()
    }
}

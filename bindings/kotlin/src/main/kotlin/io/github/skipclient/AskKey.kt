package io.github.skipclient

import io.github.skipclient.ffi.CoreCancel
import io.github.skipclient.ffi.CoreClient
import io.github.skipclient.ffi.CoreKeyAnswer
import java.nio.ByteBuffer
import java.nio.CharBuffer

/**
 * Requests a key, with arguments and result in one buffer, because passing strings and records to the native library
 * takes longer than a request.
 *
 * @param keyId the keyId, or null for a fresh key
 */
internal fun CoreClient.askKey(
    remote: String,
    keyId: String?,
    size: Int?,
    timeout: String?,
    cancel: CoreCancel,
): CoreKeyAnswer {
    val question = arrayOf(remote, keyId, size?.toString(), timeout)
    val longest = question.sumOf { Int.SIZE_BYTES + UTF_8_LONGEST * (it?.length ?: 0) }
    val room = Room(ByteBuffer.allocateDirect(maxOf(longest, ANSWER_ROOM)))
    question.forEach(room.buffer::putText)
    val handle = askKey(room.address, room.capacity, cancel)
    val answer = room.buffer.rewind() as ByteBuffer
    val bits = answer.getInt()
    if (bits == NONE) return handle.use { it.describe() }
    return CoreKeyAnswer(handle, answer.getText(), bits.toUInt(), answer.getText(), emptyList())
}

/** Large enough for nearly every result; longer ones are fetched separately. */
private const val ANSWER_ROOM = 256

/** The maximum number of UTF-8 bytes for a UTF-16 unit. */
private const val UTF_8_LONGEST = 3
private const val NONE = -1

private fun ByteBuffer.putText(text: String?) {
    val start = position()
    putInt(NONE)
    if (text == null) return
    val encoder = Charsets.UTF_8.newEncoder() // which refuses lone surrogates
    encoder.encode(CharBuffer.wrap(text), this, true).let { if (it.isError) it.throwException() }
    putInt(start, position() - start - Int.SIZE_BYTES)
}

private fun ByteBuffer.getText(): String {
    val text = ByteArray(getInt())
    get(text)
    return String(text, Charsets.UTF_8)
}

package skip

/*
#include <skip_client.h>
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// chars lends a string to C for one call.
func chars(text string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))
}

// charsOf lends bytes to C for one call.
func charsOf(content []byte) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(content))), C.size_t(len(content))
}

// text copies a string that belongs to a handle.
func text(get func(length *C.size_t) *C.char) string {
	var length C.size_t
	data := get(&length)
	return C.GoStringN(data, C.int(length))
}

// texts copies all strings of a list.
func texts(count C.size_t, get func(index C.size_t, length *C.size_t) *C.char) []string {
	list := make([]string, 0, count)
	for i := range count {
		list = append(list, text(func(length *C.size_t) *C.char { return get(i, length) }))
	}
	return list
}

// fill queries a length, then the content.
func fill(ask func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error) ([]byte, error) {
	var length C.size_t
	if err := failure(ask(nil, 0, &length)); err != nil {
		return nil, err
	}
	content := make([]byte, length)
	if length == 0 {
		return content, nil
	}
	err := failure(ask((*C.uint8_t)(unsafe.SliceData(content)), length, &length))
	return content, err
}

// lend fills a buffer, lends it, and wipes it, even if the borrower panics.
func lend(
	ask func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error, borrow func([]byte) error,
) error {
	secret, err := fill(ask)
	defer wipe(secret)
	if err != nil {
		return err
	}
	return borrow(secret)
}

// wipe overwrites bytes with zeros, and uses them afterwards so that the compiler keeps the writes.
func wipe(secret []byte) {
	clear(secret)
	runtime.KeepAlive(secret)
}
